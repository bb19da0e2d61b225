"""`fastcapa read` from the embedded broker, as a user runs it: bytes, order, options, and every way to end."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import Producer

from fastcapa._pcap import CaptureReader
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.kafka import topics
from fastcapa.kafka.embedded import PARTITIONS, EmbeddedBroker
from fastcapa.read import offsets
from fastcapa.read.reader import Frame, Reader

START_US = 1_700_000_000_000_000
FRAMES = 4000
HEADER_BYTES = 24
RECORD_HEADER_BYTES = 16

Message = tuple[bytes | None, bytes | None]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker() as running:
        yield running.bootstrap


def frame(index: int) -> bytes:
    """Return a UDP frame to port 53 (every third one) or 54, of a length and content of its own."""
    payload = random.Random(index).randbytes(index % 300)  # noqa: S311
    udp = (1024).to_bytes(2) + (53 if index % 3 == 0 else 54).to_bytes(2) + (8 + len(payload)).to_bytes(2) + bytes(2)
    ip = bytes.fromhex("4500") + (28 + len(payload)).to_bytes(2) + bytes.fromhex("00000000401100000a0000010a000002")
    return bytes.fromhex("ffffffffffff0200000000010800") + ip + udp + payload


def time_us(index: int) -> int:
    return START_US + index // 3  # bursts of three frames have one time


def produce(
    broker: str,
    topic: str,
    messages: Sequence[Message],
    batch: int = 100,
    headers: dict[str, bytes] | None = None,
) -> None:
    """Send messages in runs of `batch` to one partition after the other, as the probe does."""
    topics.describe({"bootstrap.servers": broker}, topic, 10, create=True)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 5})
    for index, (key, value) in enumerate(messages):
        partition = index // batch % PARTITIONS
        producer.produce(topic, value, key, partition, headers=headers)  # type: ignore[arg-type]
        if index % 500 == 0:
            producer.poll(0)
    assert producer.flush(20) == 0


def ours(count: int, first: int = 0) -> list[Message]:
    return [(time_us(index).to_bytes(8), frame(index)) for index in range(first, first + count)]


@pytest.fixture(scope="module")
def topic(broker: str) -> str:
    produce(broker, "frames", ours(FRAMES))
    return "frames"


def command(broker: str, topic: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "fastcapa", "read", "-b", broker, "-t", topic, *options]


def read(broker: str, topic: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(broker, topic, *options), capture_output=True, timeout=60, check=False)


def start(broker: str, topic: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(broker, topic, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def records(path: Path) -> list[tuple[int, int, bytes]]:
    with CaptureReader(path) as reader:
        return list(reader)


def expected(indices: Sequence[int]) -> list[tuple[int, int, bytes]]:
    return [(time_us(index) * 1000, len(frame(index)), frame(index)) for index in indices]


def one_line(result: subprocess.CompletedProcess[bytes]) -> str:
    text = result.stderr.decode()
    assert "Traceback" not in text
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
def test_whole_topic_every_byte_in_order(broker: str, topic: str, tmp_path: Path, name: str) -> None:
    result = read(broker, topic, "-w", str(tmp_path / name))
    assert result.returncode == 0
    assert one_line(result) == f"{FRAMES} packets read, {FRAMES} written, 0 not matched, 0 not ours\n"
    assert records(tmp_path / name) == expected(range(FRAMES))


def test_standard_output_for_tcpdump(broker: str, topic: str) -> None:
    with start(broker, topic) as reader:
        show = subprocess.run(
            ["tcpdump", "-nn", "-tt", "-r", "-"],
            stdin=reader.stdout,
            capture_output=True,
            text=True,
            check=True,
        )
    assert reader.returncode == 0
    lines = [line for line in show.stdout.splitlines() if " IP " in line]
    assert len(lines) == FRAMES
    assert lines[3].startswith("1700000000.000001 IP 10.0.0.1.1024 > 10.0.0.2.53:")


def test_filter_and_count(broker: str, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    result = read(broker, topic, "-w", str(path), "udp", "dst", "port", "53")
    matching = range(0, FRAMES, 3)
    assert result.returncode == 0
    assert records(path) == expected(matching)
    assert f"{len(matching)} written, {FRAMES - len(matching)} not matched" in result.stderr.decode()
    result = read(broker, topic, "-w", str(path), "-c", "7", "udp dst port 53")
    assert result.returncode == 0
    assert records(path) == expected(range(0, 21, 3))
    assert result.stderr.startswith(b"19 packets read, 7 written, 12 not matched")


def test_offsets(broker: str, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    per_partition = FRAMES // PARTITIONS
    assert read(broker, topic, "-w", str(path), "-o", "-5").returncode == 0
    last = [index for index in range(FRAMES - 400, FRAMES) if index % 100 >= 95]
    assert records(path) == expected(last)
    assert read(broker, topic, "-w", str(path), "-o", str(per_partition - 100)).returncode == 0
    assert records(path) == expected(range(FRAMES - 400, FRAMES))
    assert read(broker, topic, "-w", str(path), "-o", "end").returncode == 0
    assert records(path) == []


def test_bad_usage_is_one_line_and_code_2(broker: str, topic: str, tmp_path: Path) -> None:
    output = ("-w", str(tmp_path / "out.pcap"))
    for options, message in (
        (("-o", "soon"), "-o soon"),
        (("-o", "1000000"), "-o beginning"),
        (("-o", "e@5", "--follow"), "--follow"),
        (("-c", "0"), "-c 0"),
        (("-X", "no.such=1"), "no.such"),
        (("-X", "group.id="), "group.id"),
        (("-F", str(tmp_path / "none")), "none"),
        (("-t", "not/a/topic"), "not/a/topic"),
        (("tcp", "port"), "pcap-filter"),
    ):
        result = read(broker, topic, *output, *options)
        assert result.returncode == 2, options
        assert message in one_line(result)


def test_unknown_topic_is_not_created(broker: str, tmp_path: Path) -> None:
    for _ in range(2):
        result = read(broker, "nothing-here", "-w", str(tmp_path / "out.pcap"))
        assert result.returncode == 1
        assert "'nothing-here' does not exist" in one_line(result)
    assert not (tmp_path / "out.pcap").exists()


def test_no_broker(tmp_path: Path) -> None:
    result = read("127.0.0.1:1", "frames", "-w", str(tmp_path / "out.pcap"))
    assert result.returncode == 1
    text = one_line(result)
    assert "127.0.0.1:1" in text
    assert "Connection refused" in text


def test_full_disk(broker: str, topic: str) -> None:
    result = read(broker, topic, "-w", "/dev/full")
    assert result.returncode == 1
    assert "No space left on device" in one_line(result)


def test_closed_pipe_ends_quietly(broker: str, topic: str) -> None:
    reader = start(broker, topic)
    assert reader.stdout is not None
    reader.stdout.read(10)
    reader.stdout.close()
    assert reader.stderr is not None
    text = reader.stderr.read().decode()
    reader.stderr.close()
    assert reader.wait(20) == 0
    assert "packets read" in text
    assert len(text.splitlines()) == 1


def test_foreign_messages_are_counted(broker: str, tmp_path: Path) -> None:
    strange: list[Message] = [
        (None, b"no key"),
        (b"short", b"key of five bytes"),
        (bytes(8), None),
        (bytes(8), bytes(262145)),
        (b"\xff" * 8, b"time beyond all files"),
        (bytes(8), bytes(262144)),
        (bytes(8), b""),
    ]
    produce(broker, "mixed", strange)
    path = tmp_path / "out.pcap"
    result = read(broker, "mixed", "-w", str(path))
    assert result.returncode == 0
    assert one_line(result) == "7 packets read, 2 written, 0 not matched, 5 not ours\n"
    assert records(path) == [(0, 262144, bytes(262144)), (0, 0, b"")]


def test_headers_give_nanoseconds_and_length(broker: str, tmp_path: Path) -> None:
    time_ns = START_US * 1000 + 789
    headers = {
        "if": b"eth0",
        "q": bytes(2),
        "seq": bytes(8),
        "ns": time_ns.to_bytes(8),
        "len": (1500).to_bytes(4),
    }
    produce(broker, "headers", ours(1), headers=headers)
    for name in ("out.pcap", "out.pcapng"):
        assert read(broker, "headers", "-w", str(tmp_path / name)).returncode == 0
        assert records(tmp_path / name) == [(time_ns, 1500, frame(0))]
    # A filter sees the length on the wire.
    assert b"1 written" in read(broker, "headers", "-w", "-", "greater", "1500").stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_follow_is_live_and_ends_with_a_signal(broker: str, tmp_path: Path, number: signal.Signals) -> None:
    name = f"live-{number.name}"
    produce(broker, name, ours(10))
    with start(broker, name, "--follow") as reader:
        assert reader.stdout is not None and reader.stderr is not None
        out = tmp_path / "out.pcap"
        seen = reader.stdout.read(HEADER_BYTES + sum(RECORD_HEADER_BYTES + len(frame(i)) for i in range(10)))
        produce(broker, name, ours(1, first=10), batch=1)
        began = time.monotonic()
        seen += reader.stdout.read(RECORD_HEADER_BYTES + len(frame(10)))
        assert time.monotonic() - began < 2
        reader.send_signal(number)
        seen += reader.stdout.read()
        text = reader.stderr.read().decode()
        assert reader.wait(10) == 0
    out.write_bytes(seen)
    assert records(out) == expected(range(11))
    assert text == "11 packets read, 11 written, 0 not matched, 0 not ours\n"


def test_follow_gives_the_header_at_once_and_notices_a_closed_pipe(broker: str) -> None:
    produce(broker, "silent", [])
    with start(broker, "silent", "--follow") as reader:
        assert reader.stdout is not None
        assert len(reader.stdout.read(HEADER_BYTES)) == HEADER_BYTES
        reader.stdout.close()
        assert reader.wait(10) == 0


def test_follow_stops_at_count(broker: str, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    assert read(broker, topic, "--follow", "-c", "3", "-w", str(path)).returncode == 0
    assert records(path) == expected(range(3))


def test_memory_stays_bounded_when_one_partition_is_far_ahead(broker: str) -> None:
    """All early frames in partition 3, behind the late ones of the others: pausing must lose and double nothing."""
    late = [(time_us(index).to_bytes(8), frame(index % 300 + 299)) for index in range(30_000, 60_000)]
    early = [(time_us(index).to_bytes(8), frame(index % 300 + 299)) for index in range(10_000)]
    produce(broker, "skewed", late + early, batch=10_000)
    properties = {"bootstrap.servers": broker, "fetch.message.max.bytes": "65536"}
    described = topics.describe(properties, "skewed", 10, create=False)
    frames: list[Frame] = []
    peak = 0
    with Reader(
        properties, described, offsets.Span(), follow=False, stopped=lambda: False, backlog_bytes_max=0
    ) as reader:
        for batch in reader.batches():
            frames += batch
            peak = max(peak, len(reader._paused))
    assert peak > 0, "nothing was paused: the test shows nothing"
    assert len(frames) == 40_000
    assert [frame.time_ns // 1000 for frame in frames] == [
        time_us(index) for index in (*range(10_000), *range(30_000, 60_000))
    ]
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(frames))


def test_broker_gone_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastcapa.read.reader.STALL_S", 1.0)
    monkeypatch.setattr("fastcapa.read.reader._BATCH_MESSAGES", 10)
    with EmbeddedBroker() as broker:
        produce(broker.bootstrap, "gone", [(key, frame(299) * 20) for key, _ in ours(2000)])
        properties = {
            "bootstrap.servers": broker.bootstrap,
            "fetch.message.max.bytes": "1000",
            "queued.min.messages": "1",
        }
        described = topics.describe(properties, "gone", 10, create=False)
        with Reader(properties, described, offsets.Span(), follow=False, stopped=lambda: False) as reader:
            batches = reader.batches()
            while not next(batches):
                pass
            broker.__exit__(None, None, None)
            with pytest.raises(RunTimeError, match=r"nothing came from Kafka for 1 s.*Connection refused"):
                for _ in batches:
                    pass


def test_describe(broker: str, topic: str) -> None:
    properties = {"bootstrap.servers": broker}
    assert topics.describe(properties, topic, 10, create=True) == topics.Topic(
        topic, tuple(range(PARTITIONS)), (broker,), None, None
    )
    with pytest.raises(topics.Cancelled):
        topics.describe({"bootstrap.servers": "127.0.0.1:1"}, topic, 10, create=False, cancelled=lambda: True)
    with pytest.raises(UsageError):
        topics.check_name("x" * 250)


def test_embedded_broker_ends_with_its_parent() -> None:
    program = (
        "import os; from fastcapa.kafka.embedded import EmbeddedBroker as B; b = B().__enter__();"
        "print(b._process.pid, flush=True); os._exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            # A zombie that nobody collects any more is gone as well.
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return
        if state == "Z":
            return
        time.sleep(0.1)
    pytest.fail(f"the broker {pid} outlived its parent")


def numbered(count: int, *, leave_out: Sequence[int] = (), twice: Sequence[int] = ()) -> list[tuple[int, bytes]]:
    return [(i, frame(i)) for i in sorted([*range(count), *twice]) if i not in leave_out]


def produce_numbered(broker: str, topic: str, messages: Sequence[tuple[int, bytes]]) -> None:
    """Send frames with all headers, two queues in turn, 50 to a partition."""
    topics.describe({"bootstrap.servers": broker}, topic, 10, create=True)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 5})
    for at, (index, value) in enumerate(messages):
        headers = {
            "if": b"eth0",
            "q": (index % 2).to_bytes(2),
            "seq": (index // 2).to_bytes(8),
            "ns": (time_us(index) * 1000).to_bytes(8),
            "len": len(value).to_bytes(4),
        }
        producer.produce(topic, value, time_us(index).to_bytes(8), at // 50 % PARTITIONS, headers=headers)  # type: ignore[arg-type]
    assert producer.flush(20) == 0


def test_verify_says_complete(broker: str, tmp_path: Path) -> None:
    produce_numbered(broker, "whole", numbered(1000))
    result = read(broker, "whole", "--verify")
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.endswith(b"\ncomplete: 1000 packets of 2 queues, none missing, none twice\n")
    # Together with a file, and with a filter for what is written.
    result = read(broker, "whole", "--verify", "-w", str(tmp_path / "out.pcap"), "udp dst port 53")
    assert result.returncode == 0
    assert b"complete: 1000 packets" in result.stdout
    assert records(tmp_path / "out.pcap") == expected(range(0, 1000, 3))
    # Standard output is for the frames where they are asked for.
    result = read(broker, "whole", "--verify", "-w", "-")
    assert result.returncode == 0
    assert b"complete: 1000 packets" in result.stderr and b"complete" not in result.stdout


def test_verify_names_what_is_missing_and_twice(broker: str) -> None:
    produce_numbered(broker, "holes", numbered(1000, leave_out=(200, 202, 501), twice=(7, 9)))
    result = read(broker, "holes", "--verify")
    assert result.returncode == 1
    lines = result.stdout.decode().splitlines()
    assert lines[:2] == ["eth0 queue 0: 2 missing, seq 100 to 101", "eth0 queue 1: 1 missing, seq 250"]
    assert lines[-1] == "not complete: 3 packets missing, 2 twice"


def test_verify_needs_headers_and_the_whole_topic(broker: str, topic: str) -> None:
    result = read(broker, topic, "--verify")
    assert result.returncode == 1
    assert f"{FRAMES} packets have no headers".encode() in result.stdout
    for options in (("-o", "-5"), ("-c", "3"), ("--follow",)):
        result = read(broker, topic, "--verify", *options)
        assert result.returncode == 2
        assert "--verify proves a whole topic" in one_line(result)
