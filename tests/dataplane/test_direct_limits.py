"""Topics that take less than they said: batches are split until they fit, and what cannot be is counted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from support.capture_files import Frame, write_pcap
from support.direct_runs import assert_all_delivered, frames, missing_of, run
from support.frames import udp_of_size
from support.scripted_broker import MESSAGE_TOO_LARGE, ScriptedBroker

TOLD = 16_384


def write(path: Path, sizes: list[int]) -> Path:
    write_pcap(path, [Frame(10**18 + 1000 * n, size, udp_of_size(size, n)) for n, size in enumerate(sizes)])
    return path


@pytest.mark.parametrize("codec", ["none", "lz4", "zstd"])
def test_batches_are_split_until_they_fit(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "small.pcap", [100] * 4000)
    # Compressed, a batch is a fraction of what it was filled with.
    limit = 2500 if codec == "none" else 700
    with ScriptedBroker(limit=limit, told_limit=TOLD) as broker:
        made = run(broker, path, compression_type=codec)
    assert_all_delivered(broker, made, frames(path))
    (log,) = broker.logs
    assert max(len(batch.data) for batch in log.batches) <= limit
    # Halves of halves, with the numbers of the whole: no new epoch, no gap.
    assert {batch.identity for batch in log.batches} == {log.batches[0].identity}
    assert all(before.next_sequence == after.sequence for before, after in pairwise(log.batches))
    refused = [event.batch for event in broker.events if event.batch is not None and event.error == MESSAGE_TOO_LARGE]
    assert len({batch.count for batch in refused}) >= 2
    (line, *_) = made.lines_with("MESSAGE_TOO_LARGE (10)")
    assert line.startswith("fastcapa: Kafka: broker 1, partition 0: ")


def test_the_new_limit_is_asked_for_and_kept(tmp_path: Path) -> None:
    # More than is in the buffer: what comes later is made with the limit that is known then.
    path = write(tmp_path / "small.pcap", [1000] * 12_000)
    with ScriptedBroker(limit=5000, told_limit=TOLD, partitions=2) as broker:
        made = run(broker, path, "--buffer-memory", "2")
    assert_all_delivered(broker, made, frames(path))
    assert sum(event.kind == "configs" for event in broker.events) >= 3
    # Made with the old limit: what fits the buffer, and some while the answer was on its way; not the whole file.
    sent = [event.batch for event in broker.events if event.batch is not None]
    old = {(batch.partition, batch.identity, batch.sequence) for batch in sent if batch.count == TOLD // 1000}
    assert len(old) <= 2 * (2 << 20) // TOLD < 12_000 // (TOLD // 1000) / 2
    assert max(batch.count for log in broker.logs for batch in log.batches[-20:]) == 4  # what fits 5000 bytes


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_packet_that_alone_is_too_large_is_counted_and_the_others_go_on(tmp_path: Path, codec: str) -> None:
    sizes = [9000 if number % 100 == 50 else 100 for number in range(1000)]
    path = write(tmp_path / "mixed.pcap", sizes)
    # Frames of 9000 bytes are one pattern of 256 bytes again and again.
    limit = 4000 if codec == "none" else 380
    with ScriptedBroker(limit=limit, told_limit=TOLD) as broker:
        made = run(broker, path, compression_type=codec)
    sent = frames(path)
    missing = missing_of(broker, sent)
    refused = made.report["tx"]["refused"]  # once the limit is known
    assert {len(frame) for frame in missing} == {9000}
    assert len(missing) == made.failed + refused
    assert made.failed > 0
    assert made.delivered == len(sent) - len(missing)
    assert made.status == 1


@pytest.mark.parametrize("size", [20_000, 65_535])
def test_a_large_packet_has_a_batch_of_its_own(tmp_path: Path, size: int) -> None:
    # Larger than batch.size, within the topic's limit; then the topic takes less after all.
    path = write(tmp_path / "large.pcap", [100, size, 100] * 20)
    with ScriptedBroker() as broker:
        made = run(broker, path)
    assert_all_delivered(broker, made, frames(path))
    with ScriptedBroker(limit=TOLD, told_limit=1_000_000) as broker:
        made = run(broker, path)
    missing = missing_of(broker, frames(path))
    assert [len(frame) for frame in missing] == [size] * 20
    assert made.failed + made.report["tx"]["refused"] == 20
    assert made.failed > 0
