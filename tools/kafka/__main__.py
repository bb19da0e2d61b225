"""`python3 tools/kafka up|down`: Apache Kafka on loopback, to try things out with.

Standard output carries the bootstrap address alone, so that a script can take it from there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import jars
from cluster import Cluster
from errors import KafkaToolError

DIRECTORY = Path(__file__).parents[2] / "build" / "kafka"


def up(directory: Path, nodes: int, port: int) -> None:
    """Start an empty cluster, unless one runs already."""
    running = Cluster.load(directory)
    if running is not None and running.alive():
        _say("Kafka is already running")
    else:
        if running is not None:  # what is left of a cluster of which a node died
            running.stop()
        running = Cluster(directory, nodes=nodes, port=port, die_with_parent=False)
        running.start()
        _say(f"Kafka {jars.kafka_version()}: {nodes} node(s), logs in {directory}/node-*/node.log")
    print(running.bootstrap)


def down(directory: Path) -> None:
    """Stop the cluster."""
    running = Cluster.load(directory)
    if running is None or not any(node.alive() for node in running.nodes):
        _say("Kafka is not running")
        return
    running.stop()
    _say(f"Kafka at {running.bootstrap} is stopped")


def main() -> int:
    """Run one command; the exit code is 1 when it could not be done."""
    parser = argparse.ArgumentParser(prog="tools/kafka", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="state, logs and data [%(default)s]")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start an empty cluster and print its bootstrap address")
    start.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="how many [%(default)s]")
    start.add_argument("--port", type=int, default=9092, help="port of the first node [%(default)s]")
    commands.add_parser("down", help="stop it")
    options = parser.parse_args()
    try:
        if options.command == "up":
            up(options.directory, options.nodes, options.port)
        else:
            down(options.directory)
    except KafkaToolError as error:
        _say(f"kafka: {error}")
        return 1
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
