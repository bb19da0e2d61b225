"""What a probe must not leave behind, however it ended: processes, files, sockets, packet memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.live import wait_until

_FREE_HUGEPAGES = Path("/sys/kernel/mm/hugepages")


@dataclass(frozen=True)
class _Remains:
    files: frozenset[Path]
    hugepages: tuple[int, ...]


def engines() -> list[int]:
    """Engines in our session; a test looks when their supervisors have ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"fastcapa.engine" in (path / "cmdline").read_bytes() and os.getsid(int(path.name)) == os.getsid(0):
                found.append(int(path.name))
    return found


def _look() -> _Remains:
    # DPDK's directories; files on hugetlbfs and in shared memory, wherever those are mounted.
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = {Path(mount[1]) for mount in mounts if mount[2] == "hugetlbfs"} | {Path("/dev/shm")}
    files = {path for place in places if place.is_dir() for path in place.iterdir()}
    files |= set(Path("/run").glob("dpdk/*")) | set(Path(tempfile.gettempdir()).glob("fastcapa-*"))
    free = sorted(_FREE_HUGEPAGES.glob("*/free_hugepages"))
    return _Remains(frozenset(files), tuple(int(path.read_text()) for path in free))


@contextmanager
def nothing_left(directory: Path) -> Iterator[None]:
    """Whatever runs inside keeps its temporary files in `directory`, and leaves nothing there or elsewhere."""
    before_variable = os.environ.get("TMPDIR")
    directory.mkdir()
    os.environ["TMPDIR"] = str(directory)
    before = _look()
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before_variable is not None:
            os.environ["TMPDIR"] = before_variable
    # An engine without its supervisor may need a moment to end.
    wait_until(lambda: engines() == [], timeout=30)
    assert list(directory.iterdir()) == []
    after = _look()
    assert after.files <= before.files
    assert after.hugepages >= before.hugepages
