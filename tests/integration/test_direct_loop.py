"""The direct producer's tx worker allocates nothing, takes no lock and waits for nothing while it works.

Not among the tests that run under sanitizers: they bring their own malloc.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGSTOP

import pytest
from support import kafka_reader, mock_reader, topics
from support.c_programs import build
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.live import Live, wait_until
from support.need import need
from support.secured import Secured, secured

from fastcapa.kafka.embedded import EmbeddedBroker

FRAMES = [udp_of_size(64, number) for number in range(4096)]
# Of support/loop_watch.c.
_ROW = struct.Struct("=24sQ")
# Sockets do not block; a worker that shares its CPU with others sleeps when it has nothing to do.
_HARMLESS = frozenset({"send", "sendmsg", "recv", "nanosleep"})
_SENDS = 300
# The same as system calls. The first one is a nap that strace itself has interrupted; the clock is a system call only
# where the kernel has no better one.
_HARMLESS_SYSTEM_CALLS = frozenset(
    {"restart_syscall", "clock_gettime", "clock_nanosleep", "nanosleep", "recvfrom", "sendmsg"}
)
_ATTACHED_S = 2.0


@pytest.fixture
def broker() -> Iterator[str]:
    """A broker of the test's own that keeps little: frames come as fast as they can."""
    with EmbeddedBroker() as embedded:
        yield embedded.bootstrap


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """A device that always has frames."""
    write_pcap(tmp_path / "loop.pcap", [Frame(0, len(frame), frame) for frame in FRAMES])
    return f"net_pcap0,rx_pcap={tmp_path / 'loop.pcap'},infinite_rx=1"


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the calls of the probe's tx workers are counted, from now on."""
    shim, counts = tmp_path / "loop_watch.so", tmp_path / "counts"
    source = Path(__file__).parents[1] / "support" / "loop_watch.c"
    build(shim, [source], ["-shared", "-fPIC", "-ldl"], sanitizers=[])
    monkeypatch.setenv("LD_PRELOAD", f"{os.environ.get('LD_PRELOAD', '')} {shim}".strip())
    monkeypatch.setenv("LOOP_WATCH", str(counts))
    return counts


@contextmanager
def _capture(bootstrap: str, topic: str, directory: Path, *arguments: str) -> Iterator[Live]:
    """A capture; the test stops it, or it does not outlive the test."""
    live = Live.begin(bootstrap, topic, *arguments, directory=directory)
    try:
        yield live
    finally:
        live.process.kill()


def _calls(watch: Path) -> dict[str, int]:
    """How often tx workers have called what, until now."""
    rows = _ROW.iter_unpack(watch.read_bytes())
    return {name.rstrip(b"\0").decode(): count for name, count in rows if name[0]}


def _sends(watch: Path) -> int:
    calls = _calls(watch)
    return calls.get("send", 0) + calls.get("sendmsg", 0)


def _calls_in_the_loop(watch: Path) -> dict[str, int]:
    """What tx workers call while some hundred requests go out, well after the first ones."""
    wait_until(lambda: _sends(watch) > _SENDS)
    before = _calls(watch)
    wait_until(lambda: _sends(watch) > 2 * _SENDS)
    after = _calls(watch)
    return {name: more for name in after if (more := after[name] - before.get(name, 0))}


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--headers", "--partition", "flow"),
        ("--partition", "key"),
        ("-X", "compression.type=lz4"),
        ("-X", "compression.type=zstd"),
    ],
    ids=" ".join,
)
def test_no_memory_no_locks_no_waits(
    broker: str, endless: str, watch: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with _capture(broker, "t", tmp_path, "--device", endless, "--producer", "direct", *options) as live:
        calls = _calls_in_the_loop(watch)
        report = live.stop()
    assert set(calls) <= _HARMLESS, calls
    assert report["producer"] == "direct"
    assert report["kafka"]["delivered"] == report["kafka"]["in"] > 0
    assert {record.value for record in mock_reader.read_all(broker, "t")} <= set(FRAMES)


def test_neither_with_batches_on_their_way_to_the_disk_and_back(endless: str, watch: Path, tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    words = ("--producer", "direct", "--buffer-memory", "2", "--spill", str(spill), "--drain-timeout", "0.5")

    def on_disk() -> int:
        return sum(path.stat().st_size for path in spill.glob("*.spill"))

    with EmbeddedBroker() as broker, _capture(broker.bootstrap, "t", tmp_path, "--device", endless, *words) as live:
        wait_until(lambda: _sends(watch) > _SENDS)
        with _frozen(_embedded()):
            wait_until(lambda: on_disk() > 20 << 20)
            before = _calls(watch)
            wait_until(lambda: on_disk() > 60 << 20)
            written = _calls(watch)
        read = _calls_in_the_loop(watch)
        report = live.stop()
    calls = {name for name, count in written.items() if count > before.get(name, 0)} | set(read)
    assert calls <= _HARMLESS, calls
    assert report["spill"]["written"] >= report["spill"]["replayed"] > 0


def test_librdkafka_would_be_noticed(broker: str, endless: str, watch: Path, tmp_path: Path) -> None:
    """The library's producer allocates each message and locks its queues: what counts them is not blind."""
    with _capture(broker, "t", tmp_path, "--device", endless, "--producer", "librdkafka") as live:
        wait_until(lambda: _calls(watch).get("malloc", 0) > 10_000)
        wait_until(lambda: _calls(watch).get("mtx_lock", 0) > 1_000)
        live.stop()


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("secured")) as made:
        yield made


def test_tls(kafka: Secured, endless: str, watch: Path, tmp_path: Path) -> None:
    """OpenSSL 3 takes and gives back some bytes for each TLS record that it writes, and is as quiet otherwise."""
    topic = topics.create(kafka.cluster.bootstrap, partitions=2)
    properties = ("-X", "security.protocol=ssl", "-X", f"ssl.ca.location={kafka.authority}")
    # One frame of 32: what arrives is kept on the disk.
    options = ("--device", endless, "--producer", "direct", *properties, "udp[15] & 0x1f = 7")
    with _capture(kafka.address("TLS"), topic, tmp_path, *options) as live:
        calls = _calls_in_the_loop(watch)
        report = live.stop()
    assert set(calls) <= _HARMLESS | {"malloc", "free"}, calls
    assert calls.get("malloc", 0) <= 4 * calls["send"], calls
    # Either look may have come in the middle of a record.
    assert abs(calls.get("free", 0) - calls.get("malloc", 0)) <= 6, calls
    records = kafka_reader.read_all(kafka.cluster.bootstrap, topic)
    assert len(records) == report["kafka"]["delivered"] > 0
    assert {record.value for record in records} <= set(FRAMES)


def _embedded() -> int:
    """Process id of the only embedded broker that this process has started."""
    children = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split()
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    (found,) = (child for child, command in commands.items() if b"fastcapa.kafka.embedded" in command)
    return found


@contextmanager
def _frozen(process: int) -> Iterator[None]:
    """Inside, a broker's connections are open and nothing answers."""
    os.kill(process, SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, SIGCONT)


def _worker(engine: int) -> int:
    """Thread id of the engine's only tx worker."""
    (found,) = (task for task in Path(f"/proc/{engine}/task").iterdir() if (task / "comm").read_text() == "fc-tx-0-0\n")
    return int(found.name)


def test_system_calls(broker: str, endless: str, tmp_path: Path) -> None:
    """The same seen by the kernel, with nothing in between: what the loop asks of it, it asks for sockets and naps."""
    need(shutil.which("strace"), "no strace; apt-get install strace")
    table = tmp_path / "strace.txt"
    with _capture(broker, "t", tmp_path, "--device", endless, "--producer", "direct") as live:
        time.sleep(1)
        # Without -f: that would be all threads of the process.
        strace = subprocess.Popen(
            ["strace", "-c", "-U", "calls,name", "-o", str(table), "-p", str(_worker(live.engine))],
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(_ATTACHED_S)
        strace.send_signal(SIGINT)
        _, said = strace.communicate(timeout=30)
        live.stop()
    need("attached" in said, f"strace may not trace here: {said}")
    rows = [line.split() for line in table.read_text().splitlines()]
    calls = {row[1]: int(row[0]) for row in rows if len(row) == 2 and row[0].isdigit() and row[1] != "total"}
    assert calls["sendmsg"] > 50, calls
    assert set(calls) <= _HARMLESS_SYSTEM_CALLS, calls
