"""A Kafka broker for the demonstration and for tests: librdkafka's mock cluster, in a process of its own.

It speaks the real protocol on a loopback socket, keeps everything in memory and forgets it at the end. It has
no configurations and no offsets by timestamp (it answers "none"), and it drops the oldest batches of a
partition beyond the limits below, as a topic with a very short retention would.
"""

import json
import select
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from fastcapa.errors import RunTimeError
from fastcapa.kafka.mock_cluster import MockCluster, MockError

# librdkafka, src/rdkafka_mock.c: rd_kafka_mock_cluster_new() for the partitions of a topic that is created by
# being asked for, rd_kafka_mock_partition_init() for the limits of a partition's log.
PARTITIONS = 4
PARTITION_BYTES_MAX = 5 * 1024 * 1024
PARTITION_BATCHES_MAX = 100_000

_START_S = 20.0
_STOP_S = 5.0


class EmbeddedBroker:
    """Context manager around the child process; `bootstrap` is its address, "127.0.0.1:PORT[,…]"."""

    def __init__(self, brokers: int = 1, topics: Mapping[str, int] | None = None) -> None:
        """`topics`: partitions by name; others come into being, with PARTITIONS, when they are asked for."""
        self.bootstrap = ""
        self._arguments = [str(brokers), json.dumps(dict(topics or {}))]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        # A session of its own: Ctrl-C in the terminal is for the programs that write to it: they drain.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastcapa.kafka.embedded", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 -- a pipe, as asked for above
        ready, _, _ = select.select([self._process.stdout], [], [], _START_S)
        self.bootstrap = self._process.stdout.readline().strip() if ready else ""
        if not self.bootstrap:
            self._stop()
            raise RunTimeError(f"the embedded Kafka broker did not start within {_START_S:g} s; use a real one with -b")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve(brokers: int, topics: Mapping[str, int]) -> int:
    """Run the mock cluster, print its address; return when standard input ends: with our parent."""
    try:
        cluster = MockCluster(brokers, topics)
    except MockError as error:
        print(f"fastcapa: embedded broker: {error}", file=sys.stderr)
        return 1
    print(cluster.bootstrap, flush=True)
    sys.stdin.read()
    cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]), json.loads(sys.argv[2])))
