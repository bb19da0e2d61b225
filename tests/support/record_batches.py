"""Record batches as the data plane writes them, from Python: a program around record_batch.c, with sanitizers."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.c_programs import build

HEADER_BYTES = 61
NONE, LZ4, ZSTD = 0, 3, 4


@dataclass(frozen=True)
class Headers:
    """The headers of one message but `if`, which all of a batch share."""

    queue: int
    sequence: int
    time_ns: int
    original_bytes: int


@dataclass(frozen=True)
class Record:
    """One message."""

    key_us: int
    create_ms: int
    value: bytes
    headers: Headers | None = None


class BatchWriter:
    """The running program."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    def write(
        self,
        records: Sequence[Record],
        *,
        capacity: int = 1_000_000,
        codec: int = NONE,
        level: int = 0,
        interface: str = "eth0",
        producer: tuple[int, int, int] = (-1, -1, -1),
    ) -> tuple[bytes, int]:
        """A sealed and stamped batch of the records up to the first that does not fit, and how many.

        `producer`: id, epoch, sequence of the first record.
        """
        name = interface.encode()
        identity, epoch, sequence = producer
        request = [
            struct.pack("=IIIiihHq", codec, capacity, len(records), level, sequence, epoch, len(name), identity),
            name,
        ]
        for r in records:
            h = r.headers or Headers(0, 0, 0, 0)
            request += (
                struct.pack(
                    "=QQQqIIHHI",
                    r.key_us,
                    h.sequence,
                    h.time_ns,
                    r.create_ms,
                    len(r.value),
                    h.original_bytes,
                    h.queue,
                    r.headers is not None,
                    0,
                ),
                r.value,
            )
        self._to.write(b"".join(request))
        self._to.flush()
        taken, size = struct.unpack("=II", self._from.read(8))
        return self._from.read(size), taken


@contextmanager
def batch_writer(directory: Path) -> Iterator[BatchWriter]:
    """Build the program in `directory` and run it; what a sanitizer finds ends it with an error."""
    program = directory / "record_batch_writer"
    sources = [Path(__file__).with_name("record_batch_writer.c")]
    build(
        program, sources, ["producer/record_batch.c", "producer/compression.c", "error.c", "-lisal", "-llz4", "-lzstd"]
    )
    with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield BatchWriter(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0
