"""A process that is told apart from a later one with the same id, and started without a shell or a fork hook."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


def _birth(pid: int) -> str | None:
    """Boot id and start tick of a process: no two processes share both. None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command name may hold spaces and brackets, so count from its closing bracket (proc(5)).
    state, *fields = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{fields[18]}"


@dataclass(frozen=True)
class Process:
    """A process id with the moment of its start, fit to be written to a file and trusted later."""

    pid: int
    birth: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _birth(self.pid) == self.birth

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to this process and to no other; False if it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            # The descriptor pins the process, so what is checked here is what gets the signal.
            if not self.alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(descriptor)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process, and reap it if it is our child; False if it still runs."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if self.alive():
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                if not poll.poll(seconds * 1000):
                    return False
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG)
        finally:
            os.close(descriptor)
        return True


def spawn(command: Sequence[str], log: Path, *, die_with_parent: bool) -> Process:
    """Start a command in a session of its own, with its output appended to a file.

    With `die_with_parent` the kernel kills it when the thread that called this ends, however that
    ends. setpriv sets that up inside the new process, which is safer than a hook after a fork.
    """
    if die_with_parent:
        command = ("setpriv", "--pdeathsig", "KILL", "--", *command)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # a Ctrl-C at the terminal is for the caller alone
    )
    # A child that ended at once has no birth any more; it is then never seen alive, which is right.
    return Process(pid, _birth(pid) or "ended")
