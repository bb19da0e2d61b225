"""Brokers that are away, freeze, die and come back, and brokers that want something else than they are offered."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ports import pick
from support import numbered, topics
from support.brokers import Cluster, broker, frozen
from support.capture_files import Frame, read_capture, write_pcap
from support.frames import udp_of_size
from support.live import Live, wait_until
from support.numbered import numbers
from support.probe import capture, fastcapa, finish, start, wait_for_line
from support.topics import growing

FRAMES = 400_000
both_producers = pytest.mark.parametrize("producer", ["direct", "librdkafka"])


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker for those who harm it; after a crash it may come back soon."""
    with broker(tmp_path_factory.mktemp("kafka"), config={"broker.session.timeout.ms": "4000"}) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(numbered.write(tmp_path_factory.mktemp("files") / "long.pcap", FRAMES))


def test_brokers_that_do_not_answer(kafka: str, long_file: str, tmp_path: Path) -> None:
    (closed,) = pick("127.0.0.1", 1)
    password = tmp_path / "password"
    password.write_text("hunter2")
    sasl = ("-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.username=u", "-X", f"sasl.password.file={password}")
    cases = {
        ("-b", f"127.0.0.1:{closed}"): "Connection refused",
        ("-b", "nosuchhost.invalid:9092"): "Failed to resolve 'nosuchhost.invalid:9092'",
        ("-b", kafka, "-X", "security.protocol=SSL"): "SSL",
        ("-b", kafka, "-X", "sasl.mechanisms=PLAIN", *sasl): "SASL PLAIN mechanism handshake failed",
    }
    with ThreadPoolExecutor(len(cases)) as pool:  # each takes the ten seconds that a broker gets
        runs = pool.map(lambda words: fastcapa("capture", "--oversubscribe", "-t", "t", "-r", long_file, *words), cases)
    for words, run in zip(cases, runs, strict=True):
        assert run.status == 1
        (line,) = run.stderr.splitlines()
        refused = "sasl.username=u" in words  # at once
        assert line.startswith(f"fastcapa: no Kafka broker {'at' if refused else 'answered at'} {words[1]} ")
        assert (" within 10 s (" in line) != refused
        assert cases[words] in line
        assert "the security properties" in line
        assert "hunter2" not in line


def test_a_stop_while_waiting_for_a_broker(long_file: str) -> None:
    (closed,) = pick("127.0.0.1", 1)
    process = start("capture", "-b", f"127.0.0.1:{closed}", "-t", "t", "-r", long_file)
    _until_handled(process, signal.SIGTERM)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    run = finish(process)
    assert time.monotonic() - began < 5
    assert (run.status, run.stderr) == (1, "fastcapa: interrupted while waiting for Kafka\n")


def _until_handled(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Wait until a process has a handler for a signal (SigCgt of proc(5))."""
    mask = 1 << (number - 1)
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if int(status.partition("SigCgt:")[2].split()[0], 16) & mask:
            return
        time.sleep(0.01)


@both_producers
def test_frozen_for_a_while_loses_nothing(fragile: Cluster, long_file: str, tmp_path: Path, producer: str) -> None:
    topic = topics.create(fragile.bootstrap)
    live = Live.begin(fragile.bootstrap, topic, "-r", long_file, "--producer", producer, directory=tmp_path)
    with growing(fragile.bootstrap, topic, below=FRAMES), frozen(fragile):
        time.sleep(5)  # the freeze itself
    report = live.end()
    assert report["kafka"]["delivered"] == FRAMES
    assert numbers(fragile.bootstrap, topic) == list(range(FRAMES))


def test_frozen_until_its_cluster_gives_it_up_loses_nothing(fragile: Cluster, long_file: str, tmp_path: Path) -> None:
    # Beyond broker.session.timeout.ms (9 s): when it wakes, no partition has a leader for a moment.
    topic = topics.create(fragile.bootstrap)
    live = Live.begin(fragile.bootstrap, topic, "-r", long_file, "--producer", "direct", directory=tmp_path)
    with growing(fragile.bootstrap, topic, below=FRAMES), frozen(fragile):
        time.sleep(11)  # the freeze itself
    assert live.end()["kafka"]["delivered"] == FRAMES
    assert numbers(fragile.bootstrap, topic) == list(range(FRAMES))


@both_producers
def test_killed_and_started_again_loses_nothing(
    fragile: Cluster, long_file: str, tmp_path: Path, producer: str
) -> None:
    topic = topics.create(fragile.bootstrap)
    live = Live.begin(fragile.bootstrap, topic, "-r", long_file, "--producer", producer, directory=tmp_path)
    with growing(fragile.bootstrap, topic, below=FRAMES):
        fragile.kill(1)
    fragile.restart(1)
    report = live.end()
    assert report["kafka"]["delivered"] == FRAMES
    assert numbers(fragile.bootstrap, topic) == list(range(FRAMES))


@both_producers
def test_gone_for_good_with_the_time_of_messages(
    fragile: Cluster, long_file: str, tmp_path: Path, producer: str
) -> None:
    topic = topics.create(fragile.bootstrap)
    # A drain that is longer than the time of messages: the file may have been read to its end.
    words = ("-r", long_file, "--producer", producer, "-X", "message.timeout.ms=2000", "--drain-timeout", "8")
    live = Live.begin(fragile.bootstrap, topic, *words, directory=tmp_path)
    with growing(fragile.bootstrap, topic, below=FRAMES):
        fragile.kill(1)
    try:
        wait_for_line(live.process, "Kafka did not take")
        live.signal(signal.SIGTERM)
        run = live.ended(timeout=20)
    finally:
        fragile.restart(1)
    assert run.status == 1
    report = live.report()
    assert report["kafka"]["failed"] > 0
    assert report["kafka"]["delivered"] + report["kafka"]["failed"] == report["rx"]["out"]
    lines = run.stderr.splitlines()
    assert lines[-1].startswith(
        f"fastcapa: Kafka at {fragile.bootstrap} did not take {report['kafka']['failed']} packets"
    )
    assert len(lines) < 30, "it floods the terminal"
    # What was acknowledged is there.
    assert topics.records_in(fragile.bootstrap, topic) >= report["kafka"]["delivered"]


@both_producers
def test_gone_for_good_with_the_time_of_the_drain(
    fragile: Cluster, long_file: str, tmp_path: Path, producer: str
) -> None:
    topic = topics.create(fragile.bootstrap)
    live = Live.begin(
        fragile.bootstrap, topic, "-r", long_file, "--producer", producer, "--drain-timeout", "2", directory=tmp_path
    )
    with growing(fragile.bootstrap, topic, below=FRAMES):
        fragile.kill(1)
    try:
        report = live.stop(status=1)
    finally:
        fragile.restart(1)
    kafka = report["kafka"]
    assert kafka["abandoned"] == kafka["failed"] > 0
    assert kafka["delivered"] + kafka["failed"] == report["rx"]["out"]


# ---- read -----------------------------------------------------------------------------------------------------------


def test_read_follows_over_a_freeze(fragile: Cluster, tmp_path: Path) -> None:
    topic = topics.create(fragile.bootstrap)
    frames = [Frame(10**18 + 1000 * number, 100, udp_of_size(100, number)) for number in range(200)]
    halves = [tmp_path / "first.pcap", tmp_path / "second.pcap"]
    write_pcap(halves[0], frames[:100])
    write_pcap(halves[1], frames[100:])
    capture(fragile.bootstrap, topic, "-r", str(halves[0]))
    back = tmp_path / "back.pcap"
    reader = start("read", "-b", fragile.bootstrap, "-t", topic, "--follow", "-c", "200", "-w", str(back))
    whole = 24 + 100 * (16 + 100)  # file header; record headers and frames
    wait_until(lambda: back.exists() and back.stat().st_size == whole)
    with frozen(fragile):
        time.sleep(3)  # the freeze itself
    capture(fragile.bootstrap, topic, "-r", str(halves[1]))
    run = finish(reader, timeout=30)
    assert run.status == 0
    assert [frame.data for frame in read_capture(back)] == [frame.data for frame in frames]


def test_read_a_span_of_time(kafka: str, topic: str, tmp_path: Path) -> None:
    # A millisecond apart: Kafka's offsets by time are exact to that.
    start_ms = 1_600_000_000_000
    frames = [Frame((start_ms + number) * 10**6, 100, udp_of_size(100, number)) for number in range(1000)]
    path, back = tmp_path / "file.pcap", tmp_path / "back.pcap"
    write_pcap(path, frames)
    capture(kafka, topic, "-r", str(path), "-X", "batch.num.messages=50")
    for words, wanted in {
        (f"s@{start_ms + 333}",): frames[333:],
        (f"e@{start_ms + 444}",): frames[:444],
        (f"s@{start_ms + 250}", f"e@{start_ms + 751}"): frames[250:751],
        (f"s@{start_ms + 1000}",): [],
        (f"s@{start_ms + 1}", f"e@{start_ms + 2}"): frames[1:2],
    }.items():
        options = [word for offset in words for word in ("-o", offset)]
        run = fastcapa("read", "-b", kafka, "-t", topic, "-w", str(back), *options)
        assert run.status == 0, run.stderr
        got = [(frame.time_ns, frame.data) for frame in read_capture(back)]
        assert got == [(frame.time_ns, frame.data) for frame in wanted], words


def test_read_to_a_full_disk(kafka: str, topic: str, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "some.pcap", 10_000)
    capture(kafka, topic, "-r", str(path))
    run = fastcapa("read", "-b", kafka, "-t", topic, "-w", "/dev/full")
    assert run.status == 1
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("fastcapa: ")]
    assert line == "fastcapa: /dev/full: No space left on device; make room or choose another file with -w"


def test_read_to_a_full_standard_output(kafka: str, topic: str, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "some.pcap", 10_000)
    capture(kafka, topic, "-r", str(path))
    prefix = ("sh", "-c", 'exec "$@" > /dev/full', "sh")
    run = fastcapa("read", "-b", kafka, "-t", topic, prefix=prefix)
    assert run.status == 1
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("fastcapa: ")]
    assert line.startswith("fastcapa: standard output: No space left on device")
