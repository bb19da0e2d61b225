"""What engine and supervisor give up once they have what they need, and never get back: docs/security.md.

Capabilities are each thread's own. Threads that Python starts give up all of them as they begin (threads.py), those of
the data plane as well (thread.h); here are the main threads, the user, and the system calls.
"""

import encodings.idna  # noqa: F401 -- of host names: loaded now, for another user may not read where Python is
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from fastcapa import _confine, _dataplane, devargs
from fastcapa.config import CaptureConfig, SourceKind
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.host import capabilities
from fastcapa.log import Level

_ALL = 2**64 - 1
_NET_ADMIN, _NET_RAW, _DAC_OVERRIDE = (
    1 << number for number in (capabilities.NET_ADMIN, capabilities.NET_RAW, capabilities.DAC_OVERRIDE)
)
_CHANGE_USER = 1 << capabilities.SETGID | 1 << capabilities.SETUID
# Drivers that take from the kernel's interface what they have put there: the XDP program, the interface itself.
_CLEAN_UP = ("net_af_xdp", "net_tap")
# Files that librdkafka opens when the engine has given up its rights already.
_LIBRARY_FILES = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
)


@dataclass(frozen=True)
class User:
    """Of the system: who somebody is, with all groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, name: str) -> "User":
        """Look the user up; raises UsageError for one that there is not."""
        try:
            entry = pwd.getpwnam(name)
        except (KeyError, ValueError):
            raise UsageError(f"-Z {name}: there is no such user; `getent passwd` lists them") from None
        return cls(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))

    def become(self) -> None:
        """Make the process this user's."""
        _confine.change_user(self.uid, self.gid, list(self.groups))

    def may_write(self, path: Path) -> bool:
        """Whether the user may write to the file or directory; only root can ask."""
        command = ["test", "-w", str(path), "-a", "(", "!", "-d", str(path), "-o", "-x", str(path), ")"]
        asked = subprocess.run(
            command, user=self.uid, group=self.gid, extra_groups=self.groups, stdin=subprocess.DEVNULL, check=False
        )
        return asked.returncode == 0


def check(config: CaptureConfig) -> None:
    """Raise UsageError for a --user that cannot be, or who could not do what is asked for."""
    if config.user is None:
        return
    user = User.of(config.user)
    if lacking := capabilities.missing((capabilities.SETUID, capabilities.SETGID)):
        raise UsageError(
            f"-Z {user.name}: cannot become another user without {lacking}; start as root, or leave it out"
        )
    wanted: list[tuple[str, str]] = []
    if config.spill is not None:
        wanted.append(("--spill", config.spill))
    # With --restart it is the supervisor that writes it, which stays who it is.
    if config.report not in (None, "-") and not config.restart:
        wanted.append(("--report", str(config.report)))
    for option, name in wanted:
        path = Path(name)
        place = path if path.exists() else path.parent
        if not user.may_write(place):
            raise UsageError(
                f"{option} {name}: user {user.name} (-Z) may not write there; `chown {user.name}` it, or name another"
                " place"
            )


def before_packets(config: CaptureConfig, producer: str) -> tuple[Level, str]:
    """Confine the engine: its sources are open, and no packet has been looked at and no broker been talked to.

    Returns the line for the log. Raises RunTimeError when something cannot be given up, or is needed in vain then.
    """
    kinds = {source.kind for source in config.sources}
    if SourceKind.DEVICE in kinds and _has_nic(config):
        keep = _ALL  # what a NIC's driver needs to start, only that driver knows
    elif SourceKind.DEVICE in kinds:
        keep = _NET_RAW | _NET_ADMIN
    else:
        keep = _NET_RAW if SourceKind.INTERFACE in kinds else 0
    try:
        if config.user is not None:
            # Only all threads together can become another user, who then has nothing.
            _dataplane.eal_confine(_CHANGE_USER)
            User.of(config.user).become()
        _dataplane.eal_confine(0)
        _confine.keep_capabilities(keep)
    except OSError as error:
        raise RunTimeError(f"the engine cannot give up its privileges: {error.strerror}") from None
    level, calls = _confine_system_calls(config, producer)
    _check_files(config, producer)
    return level, f"the engine goes on as user {_who()}, {_held_by_whom(config)}; {calls}"


def when_running(config: CaptureConfig) -> None:
    """Confine the engine's main thread: all workers run."""
    _confine.keep_capabilities(_NET_ADMIN if _cleans_up(config) else 0)


def supervisor(config: CaptureConfig) -> str | None:
    """Confine the supervisor's main thread: an engine runs. Returns a line for the log.

    One that may have to start another engine keeps everything for that.
    """
    if config.restart:
        return (
            None if config.user is None else f"the supervisor stays user {_who()}: it may have to start another engine"
        )
    try:
        if config.user is not None:
            User.of(config.user).become()
        _confine.keep_capabilities(_for_reports(config))
    except OSError as error:
        raise RunTimeError(f"the supervisor cannot give up its privileges: {error.strerror}") from None
    return None


def for_threads(config: CaptureConfig) -> int:
    """Return the capabilities that threads of the supervisor keep until an engine runs.

    Only all threads together can become another user, and then lose these.
    """
    return _CHANGE_USER if _becomes_another(config) else 0


def for_report_thread(config: CaptureConfig) -> int:
    """Return the capabilities of the thread that writes reports while the capture goes on."""
    return for_threads(config) | _for_reports(config)


def _becomes_another(config: CaptureConfig) -> bool:
    return config.user is not None and not config.restart


def _for_reports(config: CaptureConfig) -> int:
    # Root writes reports wherever it was told to, also into a directory of somebody else.
    writes = config.report not in (None, "-") and not _becomes_another(config)
    return _DAC_OVERRIDE if writes else 0


def _confine_system_calls(config: CaptureConfig, producer: str) -> tuple[Level, str]:
    """Filter the engine's system calls; returns what the log says of it."""
    if not config.seccomp:
        return Level.INFO, "system calls are not filtered (--no-seccomp)"
    if producer == "librdkafka" and _uses_kerberos(config):
        return Level.INFO, "system calls are not filtered, for librdkafka starts kinit"
    kinds = {source.kind for source in config.sources}
    try:
        _confine.confine_system_calls(
            write_files=config.spill is not None,
            packet_sockets=SourceKind.INTERFACE in kinds,
            devices=SourceKind.DEVICE in kinds,
        )
    except OSError as error:
        return Level.WARNING, f"system calls are not filtered, the kernel says: {error.strerror}"
    return Level.INFO, "system calls are filtered"


def _check_files(config: CaptureConfig, producer: str) -> None:
    """Raise RunTimeError for what the engine has just given up the right to."""
    if config.spill is not None:
        path = Path(config.spill)
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK | os.X_OK):
            raise RunTimeError(f"--spill {path}: user {_who()} may not write there; {_remedy(place)}")
    if producer == "librdkafka":
        for key in _LIBRARY_FILES:
            name = config.properties.get(key)
            if name is not None and Path(name).exists() and not os.access(name, os.R_OK):
                raise RunTimeError(f"{key} {name}: user {_who()} may not read it; {_remedy(Path(name))}")


def _remedy(path: Path) -> str:
    if os.geteuid() == 0:
        return f"root has given up the right to what is others': `chown root {path}`, or -Z the owner of it"
    return f"`chown {_who()} {path}`"


def _who() -> str:
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _held_by_whom(config: CaptureConfig) -> str:
    kinds = {source.kind for source in config.sources}
    keepers = []
    if SourceKind.INTERFACE in kinds:
        keepers.append("rx workers of interfaces CAP_NET_RAW")
    if _cleans_up(config):
        keepers.append("the main thread CAP_NET_ADMIN")
    return "without capabilities" + (f" but for {' and '.join(keepers)}" if keepers else "")


def _devices(config: CaptureConfig) -> list[str]:
    return [source.name for source in config.sources if source.kind is SourceKind.DEVICE]


def _has_nic(config: CaptureConfig) -> bool:
    return any(devargs.is_pci(name) for name in _devices(config))


def _cleans_up(config: CaptureConfig) -> bool:
    return any(devargs.name(name).startswith(_CLEAN_UP) for name in _devices(config))


def _uses_kerberos(config: CaptureConfig) -> bool:
    protocol = config.properties.get("security.protocol", "plaintext").lower()
    mechanisms = config.properties.get("sasl.mechanisms", config.properties.get("sasl.mechanism", "GSSAPI"))
    return protocol.startswith("sasl") and mechanisms.upper() == "GSSAPI"
