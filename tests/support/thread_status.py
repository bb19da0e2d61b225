"""What the kernel says of the rights of each thread of a process: /proc/PID/task/TID/status."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DAC_OVERRIDE, NET_ADMIN, NET_RAW = 1 << 1, 1 << 12, 1 << 13


@dataclass(frozen=True)
class Rights:
    """Of one thread; sets of capabilities have a bit for each."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    permitted: int
    effective: int
    inheritable: int
    bounding: int
    ambient: int
    no_new_privs: bool
    seccomp: int
    """0: no filter, 2: one."""


def of_threads(pid: int) -> dict[str, Rights]:
    """By name, "main" being the first thread's. Threads of one name have to have the same rights."""
    found: dict[str, Rights] = {}
    for path in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            name, rights = _read(path / "status")
            name = "main" if int(path.name) == pid else name
            assert found.setdefault(name, rights) == rights, name
    return found


def _read(path: Path) -> tuple[str, Rights]:
    fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
    uids, gids = ({int(number) for number in fields[key].split()} for key in ("Uid", "Gid"))
    # Real, effective, saved and of the file system: one that is left behind is a way back.
    (uid,), (gid,) = uids, gids
    rights = Rights(
        uid=uid,
        gid=gid,
        groups=tuple(map(int, fields["Groups"].split())),
        permitted=int(fields["CapPrm"], 16),
        effective=int(fields["CapEff"], 16),
        inheritable=int(fields["CapInh"], 16),
        bounding=int(fields["CapBnd"], 16),
        ambient=int(fields["CapAmb"], 16),
        no_new_privs=fields["NoNewPrivs"].strip() == "1",
        seccomp=int(fields["Seccomp"]),
    )
    return fields["Name"].strip(), rights
