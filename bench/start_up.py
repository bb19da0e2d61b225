"""How soon the probe is ready: docs/install.md.

    .venv/bin/python bench/start_up.py [--runs 20] [--interface lo]

From the start of the process to its line that says whose timestamps they are: the engine receives, and is connected to
the (embedded) broker. Without an interface the device is one on which nothing arrives.
"""

import argparse
import statistics
import subprocess
import sys
import time

from fastcapa.kafka.embedded import EmbeddedBroker

READY = "timestamps of"


def once(*words: str) -> float:
    """Return seconds from the start of a process to its end, or to the line that it is ready; then it is ended."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "fastcapa", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = None
    with process:
        assert process.stderr is not None  # noqa: S101 -- a pipe, as asked for above
        for line in process.stderr:
            if READY in line:
                ready = time.perf_counter()
                process.terminate()
    if process.returncode != 0:
        raise SystemExit(f"exit code {process.returncode}: fastcapa {' '.join(words)}")
    return (ready or time.perf_counter()) - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, metavar="N")
    parser.add_argument("--interface", metavar="IF")
    args = parser.parse_args()
    source = ("--device", "net_ring0") if args.interface is None else ("-i", args.interface)
    with EmbeddedBroker() as broker:
        words = ("capture", "-b", broker.bootstrap, "-t", "t", "--oversubscribe", *source)
        for name, command in (
            ("--version", ("--version",)),
            ("direct", (*words, "--producer", "direct")),
            ("librdkafka", (*words, "--producer", "librdkafka")),
        ):
            times = sorted(once(*command) for _ in range(args.runs))
            print(f"{name}: median {statistics.median(times):.3f} s, {times[0]:.3f} to {times[-1]:.3f} s")


if __name__ == "__main__":
    main()
