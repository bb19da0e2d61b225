"""What engine and supervisor may still do while packets come in: rights of every thread, and what is refused."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support import probe, thread_status
from support.live import Live, wait_until
from support.mock_reader import read_all
from support.need import need
from support.netns import Namespace
from support.probe import wait_for_line
from support.remains import nothing_left
from support.thread_status import DAC_OVERRIDE, NET_ADMIN, NET_RAW, Rights

from fastcapa.kafka.embedded import EmbeddedBroker

BAD_USAGE = 2
NOTHING = Rights(0, 0, (), 0, 0, 0, 0, 0, no_new_privs=True, seccomp=2)
UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")
OTHER = "daemon"  # a user that every Debian has, and that owns nothing


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    with nothing_left(tmp_path / "temporary"):
        yield


@pytest.fixture
def site(netns: Namespace) -> Iterator[tuple[Namespace, str]]:
    """A namespace, entered by this thread, and a broker on its loopback."""
    with netns.entered(), EmbeddedBroker() as made:
        yield netns, made.bootstrap


def with_(rights: Rights, capabilities: int) -> Rights:
    return replace(rights, permitted=capabilities, effective=capabilities)


def assert_rights(pid: int, rights: Rights, **different: int) -> None:
    """All threads have these rights, those whose name begins so (with _ for -) other capabilities."""
    found = thread_status.of_threads(pid)
    expected = {
        name: next(
            (with_(rights, mask) for prefix, mask in different.items() if name.startswith(prefix.replace("_", "-"))),
            rights,
        )
        for name in found
    }
    assert found == expected
    for prefix in different:
        assert any(name.startswith(prefix.replace("_", "-")) for name in found), found


SOURCES = {
    "interface": (("-i", "cap0"), {"fc_rx": NET_RAW}),
    "net_null": (("--device", "net_null0"), {}),
    "net_pcap": (("--device", "net_pcap0,iface=cap0"), {}),
    "net_af_packet": (("--device", "net_af_packet0,iface=cap0"), {}),
    "net_af_xdp": (("--device", "net_af_xdp0,iface=cap0"), {"main": NET_ADMIN}),
    "net_tap": (("--device", "net_tap0,iface=tap9"), {"main": NET_ADMIN}),
}


# What a producer's threads may do does not depend on the source.
@pytest.mark.parametrize(
    ("source", "producer"), [*((source, "direct") for source in SOURCES), ("interface", "librdkafka")]
)
def test_threads_have_no_more_rights_than_they_need(
    source: str, producer: str, tmp_path: Path, site: tuple[Namespace, str]
) -> None:
    inside, bootstrap = site
    options, more = SOURCES[source]
    words = ("--producer", producer, *options)
    live = Live.begin(bootstrap, "t", *words, directory=tmp_path, prefix=inside.prefix)
    assert_rights(live.engine, NOTHING, **more)
    # Root writes the report wherever it is told to.
    assert_rights(live.process.pid, replace(NOTHING, seccomp=0), main=DAC_OVERRIDE)
    sent = 500 if "cap0" in str(options) else 0  # as many as any queue holds
    if sent:
        inside.generate(sent, (64, 1500))
    report = live.stop()
    if sent:
        assert (report["source"]["in"], report["kafka"]["delivered"]) == (sent, sent)
        values = {record.value for record in read_all(bootstrap, "t")}
        assert (len(values), {len(value) for value in values}) == (sent, {64, 1500})
    # What a driver has put into the kernel is gone again.
    links = inside.run("ip", "link", "show")
    assert "xdp" not in links
    assert "tap9" not in links


def test_nobody_is_root_any_more(tmp_path: Path, site: tuple[Namespace, str]) -> None:
    inside, bootstrap = site
    other = pwd.getpwnam(OTHER)
    place = tmp_path / "reports"
    place.mkdir()
    os.chown(place, other.pw_uid, other.pw_gid)
    for directory in (tmp_path, *tmp_path.parents[:3]):  # of pytest, for one user only
        directory.chmod(directory.stat().st_mode | 0o011)
    user = replace(NOTHING, uid=other.pw_uid, gid=other.pw_gid, groups=tuple(os.getgrouplist(OTHER, other.pw_gid)))
    words = ("-i", inside.capture, "-Z", OTHER, "--metrics", "127.0.0.1:0", "--report-every", "1")
    live = Live.begin(bootstrap, "t", *words, directory=place, prefix=inside.prefix)
    assert_rights(live.engine, user, fc_rx=NET_RAW)
    assert_rights(live.process.pid, replace(user, seccomp=0))
    threads = len(list(Path(f"/proc/{live.process.pid}/task").iterdir()))
    assert threads == 3, "those for HTTP and for reports were to be looked at too"
    inside.generate(100)
    # The sockets of an interface that comes back are made by threads that are nobody special.
    inside.run("ip", "link", "delete", inside.generator)
    wait_for_line(live.process, "waiting for one of this name")
    inside.run("ip", "link", "add", inside.generator, "up", "type", "veth", "peer", "name", inside.capture)
    inside.run("ip", "link", "set", inside.capture, "up")
    wait_for_line(live.process, "is back")
    inside.generate(100)
    report = live.stop()
    assert report["kafka"]["delivered"] == 200
    assert live.path.stat().st_uid == other.pw_uid


def test_root_writes_reports_where_it_was_told_to(tmp_path: Path, site: tuple[Namespace, str]) -> None:
    inside, bootstrap = site
    place = tmp_path / "of somebody else"
    place.mkdir(mode=0o700)
    os.chown(place, pwd.getpwnam(OTHER).pw_uid, -1)
    words = ("--device", "net_ring0", "--report-every", "1")
    live = Live.begin(bootstrap, "t", *words, directory=place, prefix=inside.prefix)
    assert_rights(live.process.pid, replace(NOTHING, seccomp=0), main=DAC_OVERRIDE, python=DAC_OVERRIDE)
    wait_until(live.path.exists)
    assert live.stop()["reports"]["failed"] == 0


def test_a_supervisor_that_starts_engines_stays_who_it_is(tmp_path: Path, site: tuple[Namespace, str]) -> None:
    inside, bootstrap = site
    words = ("-i", inside.capture, "-Z", OTHER, "--restart")
    live = Live.begin(bootstrap, "t", *words, directory=tmp_path, prefix=inside.prefix)
    supervisor = thread_status.of_threads(live.process.pid)["main"]
    assert (supervisor.uid, supervisor.permitted & NET_RAW) == (0, NET_RAW)
    os.kill(live.engine, signal.SIGKILL)
    wait_for_line(live.process, "(restart 1)")
    uid = pwd.getpwnam(OTHER).pw_uid
    assert {rights.uid for rights in thread_status.of_threads(live.engine).values()} == {uid}
    live.signal(signal.SIGTERM)
    assert live.ended().status == 0


def test_system_calls_are_filtered_unless_it_is_said(tmp_path: Path, site: tuple[Namespace, str]) -> None:
    inside, bootstrap = site
    words = ("-i", inside.capture, "--no-seccomp")
    live = Live.begin(bootstrap, "t", *words, directory=tmp_path, prefix=inside.prefix)
    assert_rights(live.engine, replace(NOTHING, seccomp=0), fc_rx=NET_RAW)
    live.stop()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-Z", "nosuchuser"), "-Z nosuchuser: there is no such user; `getent passwd` lists them"),
        (("-Z", ""), "--user : string should have at least 1 character"),
        (
            ("-Z", OTHER, "--report", "/root/report.json"),
            f"--report /root/report.json: user {OTHER} (-Z) may not write",
        ),
        (
            ("-Z", OTHER, "--spill", "/root/spill"),
            f"--spill /root/spill: user {OTHER} (-Z) may not write there; `chown",
        ),
    ],
    ids=["unknown", "empty", "report", "spill"],
)
def test_users_that_cannot_be(words: tuple[str, ...], said: str) -> None:
    need(os.geteuid() == 0, "no privilege to become another user; run as root")
    run = probe.fastcapa("capture", "-b", "127.0.0.1:9", "-t", "t", "-i", "lo", "--oversubscribe", "--check", *words)
    assert (run.status, run.stderr.count("\n")) == (BAD_USAGE, 1), run.stderr
    assert said in run.stderr


def test_who_is_not_root_becomes_nobody_else() -> None:
    need(os.geteuid() == 0, "no privilege to give up; run as root")
    words = ("-b", "127.0.0.1:9", "-t", "t", "--device", "net_null0", "--oversubscribe", "--check", "-Z", OTHER)
    run = probe.fastcapa("capture", *words, prefix=UNPRIVILEGED)
    assert run.status == BAD_USAGE
    assert "cannot become another user without CAP_SETUID and CAP_SETGID; start as root" in run.stderr


def test_what_is_somebody_elses_is_said_before_packets(tmp_path: Path, site: tuple[Namespace, str]) -> None:
    """Root without capabilities may not write to a directory of another user."""
    inside, bootstrap = site
    place = tmp_path / "spill"
    place.mkdir(mode=0o700)
    os.chown(place, pwd.getpwnam(OTHER).pw_uid, -1)
    options = ("-b", bootstrap, "-t", "t", "-i", inside.capture, "--oversubscribe", "--spill", str(place))
    run = probe.fastcapa("capture", *options, prefix=inside.prefix)
    assert run.status == 1
    assert f"--spill {place}: user root may not write there; root has given up the right" in run.stderr
    assert "or -Z the owner of it" in run.stderr


# What an attacker in the engine would try, and what comes of it: an error number, or the signal that ends the process.
REFUSED = {
    "open('/dev/null', 'wb')": "EPERM",
    "os.mkdir('/tmp/fastcapa-was-here')": "EPERM",
    "os.unlink('/tmp/fastcapa-was-here')": "EPERM",
    "os.chmod('/tmp', 0o1777)": "EPERM",
    "os.kill(os.getppid(), 0)": "EPERM",
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)": "EPERM",
    "socket.socket(socket.AF_INET).listen()": "EPERM",
    "fcntl.ioctl(0, termios.TIOCSTI, b'x')": "EPERM",
    "os.setresuid(1, 1, 1)": "EPERM",
    "os.execv('/bin/true', ['true'])": "SIGSYS",
    "libc.ptrace(0, 0, 0, 0)": "SIGSYS",
    "libc.mount(b'none', b'/mnt', b'tmpfs', 0, None)": "SIGSYS",
    "libc.unshare(0x10000000)": "SIGSYS",
    "libc.syscall(321, 0, 0, 0)": "SIGSYS",  # bpf
    "libc.syscall(250, 0, 0, 0)": "SIGSYS",  # keyctl
    "libc.syscall(313, 0, 0, 0)": "SIGSYS",  # finit_module
}
ALLOWED = (
    "open('/etc/hosts', 'rb')",
    "socket.socket(socket.AF_INET6)",
    "socket.getaddrinfo('localhost', 9092)",
    "socket.socketpair()[0].setblocking(False)",
    "threading.Thread(target=int).start()",
    "bytearray(1 << 26)",
)
# On a thread that was there before: the filter is for all of them.
ATTEMPT = """
import ctypes, errno, fcntl, os, socket, termios, threading
from fastcapa import _confine
libc = ctypes.CDLL(None)
go, result = threading.Event(), []
def attempt():
    go.wait()
    try:
        {what}
        result.append("done")
    except OSError as error:
        result.append(errno.errorcode[error.errno])
other = threading.Thread(target=attempt)
other.start()
_confine.confine_system_calls(write_files=False, packet_sockets=False, devices=False)
go.set()
other.join()
print(result[0], flush=True)
"""


@pytest.mark.parametrize("what", [*REFUSED, *ALLOWED])
def test_system_calls_that_are_left(what: str) -> None:
    program = ATTEMPT.replace("{what}", what)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )
    outcome = signal.Signals(-run.returncode).name if run.returncode < 0 else run.stdout.strip()
    assert outcome == REFUSED.get(what, "done"), run.stderr
