"""What a probe must not leave behind, however it ended: processes and files, sockets among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.live import wait_until


def engines() -> list[int]:
    """Engines in our session; a test looks when their supervisors have ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"fastcapa.engine" in (path / "cmdline").read_bytes() and os.getsid(int(path.name)) == os.getsid(0):
                found.append(int(path.name))
    return found


def _files() -> set[Path]:
    """DPDK's directories and files, and ours, wherever the machine has room for them; others may come and go."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    places = [Path(mount[1]) for mount in mounts if mount[2] == "hugetlbfs"]
    patterns = [(place, "*map_*") for place in places] + [(Path("/run"), "dpdk/*"), (Path("/var/run"), "dpdk/*")]
    patterns += [(Path("/dev/shm"), name) for name in ("fastcapa*", "rte*", "dpdk*")]
    return {path for place, pattern in patterns for path in place.glob(pattern)}


@contextmanager
def nothing_left(directory: Path) -> Iterator[None]:
    """Whatever runs inside keeps its temporary files in `directory`, and leaves nothing there or elsewhere."""
    before_variable = os.environ.get("TMPDIR")
    directory.mkdir()
    os.environ["TMPDIR"] = str(directory)
    before = _files()
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before_variable is not None:
            os.environ["TMPDIR"] = before_variable
    # An engine without its supervisor may need a moment to end.
    wait_until(lambda: engines() == [], timeout=30)
    assert list(directory.iterdir()) == []
    assert _files() <= before
