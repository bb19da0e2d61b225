"""What the direct producer writes is the same for every reader of Kafka, in few partitions and in many."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import MakeTopic
from support import kafka_tools, librdkafka_reader, numbered
from support.brokers import Cluster
from support.capture_files import Frame, write_pcap
from support.frames import UDP, ip, udp_of_size, zoo
from support.kafka_reader import Record, read_all
from support.kafka_tools import LoggedBatch
from support.message_headers import assert_ordered_in_partitions, headers_of
from support.probe import capture

PARTITIONS = 3
# Smaller than some of the frames, and than all of them together by far.
BATCH_BYTES = 65_536
FLOWS = 300
PACKETS = 100 * FLOWS


def varied_frames() -> Iterator[bytes]:
    """Frames of 0 to 200,000 bytes: of many protocols, of noise, and of what can be compressed well."""
    noise = random.Random(1)  # noqa: S311
    for size in (*range(300), *range(300, 9216, 97), 9215, 9216, 9217, 16_383, 16_384, 60_000):
        yield noise.randbytes(size)
        yield noise.randbytes(1) * size
    for _, frame in zoo():
        yield frame
    yield noise.randbytes(200_000)
    yield from (udp_of_size(size, size) for size in range(60, 1514, 13))


@pytest.fixture(scope="module")
def varied() -> list[Frame]:
    start_ns = time.time_ns() - 10**9
    return [Frame(start_ns + 1000 * number, len(data), data) for number, data in enumerate(varied_frames())]


@pytest.fixture(scope="module")
def varied_file(varied: Sequence[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "varied.pcap"
    write_pcap(path, varied, nanoseconds=True)
    return path


@pytest.mark.parametrize("headers", [False, True], ids=["plain", "headers"])
@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
def test_all_readers_read_the_same(
    *,
    kafka_cluster: Cluster,
    make_topic: MakeTopic,
    varied: Sequence[Frame],
    varied_file: Path,
    codec: str,
    headers: bool,
) -> None:
    bootstrap = kafka_cluster.bootstrap
    topic = make_topic(PARTITIONS)
    words = ["-r", str(varied_file), "--producer", "direct", *(["--headers"] if headers else [])]
    words += ["-X", f"compression.type={codec}", "-X", f"batch.size={BATCH_BYTES}"]
    report = capture(bootstrap, topic, *words)
    assert report["producer"] == "direct"
    assert report["kafka"]["delivered"] == len(varied)
    assert report["kafka"]["bytes"] == sum(len(frame.data) for frame in varied)

    records = read_all(bootstrap, topic)
    _expect_frames(records, varied, str(varied_file) if headers else None)
    assert librdkafka_reader.read_all(bootstrap, topic) == records
    assert kafka_tools.console_consumer(bootstrap, topic, len(varied)) == records
    _expect_log(kafka_tools.dump_log(kafka_cluster, topic), records, codec)


def _expect_frames(records: Sequence[Record], frames: Sequence[Frame], interface: str | None) -> None:
    """Each frame is there once, as the wire format says; in each partition they are in the file's order."""
    number_of = {frame.time_ns // 1000: number for number, frame in enumerate(frames)}
    numbers = [number_of[int.from_bytes(record.key)] for record in records]
    assert sorted(numbers) == list(range(len(frames)))
    last = [-1] * PARTITIONS
    for number, record in zip(numbers, records, strict=True):
        frame = frames[number]
        assert record.value == frame.data
        assert (record.timestamp_ms, record.timestamp_type) == (frame.time_ns // 10**6, 0)
        assert number > last[record.partition], "the order is kept"
        last[record.partition] = number
        if interface is None:
            assert record.headers == []
        else:
            assert headers_of(record) == (interface, 0, number, frame.time_ns, frame.length)
    assert min(last) >= 0, "every partition has some"
    if interface is not None:
        assert_ordered_in_partitions(records)


def _expect_log(logs: dict[int, list[LoggedBatch]], records: Sequence[Record], codec: str) -> None:
    """Kafka finds every batch valid, of one producer, in sequence; and no other records than those that were read."""
    codecs = set()
    producers = set()
    logged = []
    for partition, batches in sorted(logs.items()):
        sequence = 0
        for batch in batches:
            fields = batch.fields
            assert (fields["isvalid"], fields["magic"]) == ("true", "2")
            assert (fields["isTransactional"], fields["isControl"]) == ("false", "false")
            assert int(fields["count"]) == len(batch.records) > 0
            assert int(fields["baseSequence"]) == sequence
            sequence += len(batch.records)
            assert int(fields["lastSequence"]) == sequence - 1
            assert int(fields["CreateTime"]) == max(int(record["CreateTime"]) for record in batch.records)
            codecs.add(fields["compresscodec"])
            producers.add((fields["producerId"], fields["producerEpoch"]))
            logged += [
                (partition, *(int(record[name]) for name in ("offset", "CreateTime", "keySize", "valueSize")))
                for record in batch.records
            ]
    assert logged == [(r.partition, r.offset, r.timestamp_ms, 8, len(r.value)) for r in records]
    assert len(producers) == 1
    assert codec in codecs
    assert codecs <= {codec, "none"}, "a batch of nothing but noise is sent as it is"


def conversations() -> Iterator[bytes]:
    """PACKETS numbered frames of FLOWS conversations in turn, each with both directions."""
    for number in range(PACKETS):
        turn, flow = divmod(number, FLOWS)
        ends = ((f"10.1.{flow >> 8}.{flow & 255}", 40_000 + flow), ("10.2.0.1", 443))
        (source, source_port), (target, target_port) = ends if turn % 3 else ends[::-1]
        payload = number.to_bytes(8) + bytes(20)
        yield ip(UDP, payload, source=source, target=target, ports=(source_port, target_port))


@pytest.fixture(scope="module")
def conversations_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "conversations.pcap"
    start_ns = time.time_ns() - 10**9
    write_pcap(path, (Frame(start_ns + 1000 * n, len(data), data) for n, data in enumerate(conversations())))
    return path


@pytest.mark.parametrize("partitions", [1, 16, 256, 1024])
def test_few_and_many_partitions(kafka: str, make_topic: MakeTopic, conversations_file: Path, partitions: int) -> None:
    # A broker takes seconds to make 1,024 of them, so both passes share a topic: one has headers, the other none.
    topic = make_topic(partitions)
    words = ("-r", str(conversations_file), "--producer", "direct")
    # Of the smallest batches there are enough to go round many partitions.
    sticky = capture(kafka, topic, *words, "--partition", "sticky", "-X", "batch.size=16384", "--headers")
    # Every partition would have a batch open, and the buffer has not so many.
    flow = capture(kafka, topic, *words, "--partition", "flow", "--buffer-memory", "8")
    assert sticky["kafka"]["delivered"] == flow["kafka"]["delivered"] == PACKETS

    records = read_all(kafka, topic)
    used = _expect_conversations([record for record in records if record.headers])
    assert len(set.union(*used.values())) >= min(partitions, 100)
    used = _expect_conversations([record for record in records if not record.headers])
    assert all(len(partitions_of_flow) == 1 for partitions_of_flow in used.values())
    by_chance = partitions * (1 - (1 - 1 / partitions) ** FLOWS)
    assert len(set.union(*used.values())) > 0.8 * by_chance


def _expect_conversations(records: Sequence[Record]) -> dict[int, set[int]]:
    """Every packet is there once, in order in its partition; the partitions of each conversation."""
    used: dict[int, set[int]] = defaultdict(set)
    last: dict[int, int] = {}
    numbers = []
    for record in records:
        number = int.from_bytes(record.value[numbered.NUMBER])
        numbers.append(number)
        used[number % FLOWS].add(record.partition)
        assert number > last.get(record.partition, -1), "the order is kept"
        last[record.partition] = number
    assert sorted(numbers) == list(range(PACKETS))
    return used
