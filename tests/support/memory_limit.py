"""A cgroup with a limit of memory, in either version of cgroups."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.live import wait_until
from support.need import need

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """The cgroup's directory."""

    directory: Path

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it, and its children, in here."""
        return ("sh", "-c", f'echo $$ > {self.directory}/cgroup.procs && exec "$@"', "sh")


@contextmanager
def memory_limit(limit_bytes: int) -> Iterator[MemoryLimit]:
    """A fresh cgroup whose processes may use so much together; the kernel kills one of them for more.

    Those that still run at the end are killed.
    """
    need(os.geteuid() == 0, "no privilege to make a cgroup; run as root")
    controllers = _ROOT / "cgroup.subtree_control"
    second = controllers.exists() and "memory" in controllers.read_text().split()
    parent, limit = (_ROOT, "memory.max") if second else (_ROOT / "memory", "memory.limit_in_bytes")
    made = parent / f"fastcapa-{secrets.token_hex(4)}"
    try:
        made.mkdir()
    except OSError as error:
        need(False, f"no cgroup with a memory limit can be made ({error}); run where cgroups are writable")
    try:
        (made / limit).write_text(str(limit_bytes))
        yield MemoryLimit(made)
    finally:
        for pid in (made / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not (made / "cgroup.procs").read_text(), timeout=30)
        made.rmdir()
