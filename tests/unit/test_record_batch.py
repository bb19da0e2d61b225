"""Record batches: what the data plane writes, kafka-python reads, CRC and all."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords
from support.record_batches import HEADER_BYTES, LZ4, NONE, ZSTD, BatchWriter, Headers, Record, batch_writer

CODECS = [NONE, LZ4, ZSTD]
NOW_MS = 1_795_373_926_439


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchWriter]:
    with batch_writer(tmp_path_factory.mktemp("batches")) as running:
        yield running


def record(value: bytes, create_ms: int = NOW_MS, headers: Headers | None = None) -> Record:
    return Record(create_ms * 1000 + 439, create_ms, value, headers)


def expect_batch(batch: bytes, records: Sequence[Record], interface: str = "eth0", plain_bytes: int = 0) -> None:
    """kafka-python finds exactly `records`; the fields of the header are right."""
    parsed = MemoryRecords(batch)
    found = parsed.next_batch()
    assert found is not None
    assert not parsed.has_next()
    assert found.validate_crc()
    assert (found.base_offset, found.magic, found.timestamp_type) == (0, 2, 0)
    length, leader_epoch = struct.unpack_from(">ii", batch, 8)
    assert (length, leader_epoch) == (len(batch) - 12, -1)
    last_offset_delta, first_ms, max_ms = struct.unpack_from(">iqq", batch, 23)
    assert last_offset_delta == len(records) - 1
    if records:
        assert (first_ms, max_ms) == (records[0].create_ms, max(r.create_ms for r in records))
    assert struct.unpack_from(">i", batch, 57) == (len(records),)
    for offset, (read, wrote) in enumerate(zip(found, records, strict=True)):
        assert (read.offset, read.timestamp, read.value) == (offset, wrote.create_ms, wrote.value)
        assert read.key == wrote.key_us.to_bytes(8, "big")
        h = wrote.headers
        assert read.headers == (
            []
            if h is None
            else [
                ("if", interface.encode()),
                ("q", struct.pack(">H", h.queue)),
                ("seq", struct.pack(">Q", h.sequence)),
                ("ns", struct.pack(">Q", h.time_ns)),
                ("len", struct.pack(">I", h.original_bytes)),
            ]
        )


def unsigned(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


RECORDS = st.lists(
    st.builds(
        Record,
        unsigned(64),
        st.integers(0, 2**53) | st.integers(NOW_MS - 1000, NOW_MS + 1000),
        st.binary(max_size=200) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=4), st.integers(0, 3000)),
        st.none() | st.builds(Headers, unsigned(16), unsigned(64), unsigned(64), unsigned(32)),
    ),
    min_size=1,
    max_size=100,
)
INTERFACES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=100)


@settings(deadline=None, max_examples=50)
@given(RECORDS, st.sampled_from(CODECS), INTERFACES)
def test_any_records_are_read_back(writer: BatchWriter, records: list[Record], codec: int, interface: str) -> None:
    batch, taken = writer.write(records, capacity=4_000_000, codec=codec, interface=interface)
    assert taken == len(records)
    expect_batch(batch, records, interface)


@settings(deadline=None, max_examples=50)
@given(RECORDS, st.data())
def test_a_batch_takes_what_fits_to_the_byte(writer: BatchWriter, records: list[Record], data: st.DataObject) -> None:
    whole, _ = writer.write(records, capacity=4_000_000)
    assert writer.write(records, capacity=len(whole)) == (whole, len(records))
    capacity = data.draw(st.integers(HEADER_BYTES, len(whole) - 1) | st.just(len(whole) - 1))
    batch, taken = writer.write(records, capacity=capacity)
    assert len(batch) <= capacity
    assert (batch, taken) == writer.write(records[:taken], capacity=4_000_000)
    one_more, _ = writer.write(records[: taken + 1], capacity=4_000_000)
    assert len(one_more) > capacity


@pytest.mark.parametrize("codec", CODECS)
def test_sizes_around_each_varint_byte(writer: BatchWriter, codec: int) -> None:
    sizes = [0, 1, 52, 53, 54, 62, 63, 64, 65, 1500, 8190, 8191, 8192, 8193, 65_535, 262_144]
    records = [record(bytes([k]) * size) for k, size in enumerate(sizes)]
    batch, taken = writer.write(records, codec=codec)
    assert taken == len(sizes)
    assert (batch[22] & 7) == codec
    expect_batch(batch, records)


@pytest.mark.parametrize("codec", CODECS)
def test_offsets_of_one_two_and_three_varint_bytes(writer: BatchWriter, codec: int) -> None:
    records = [record(b"%d" % k, NOW_MS + k % 3) for k in range(20_000)]  # 64, 8,192: a byte more
    batch, taken = writer.write(records, codec=codec)
    assert taken == len(records)
    expect_batch(batch, records)


def test_times_go_backwards_and_far_away(writer: BatchWriter) -> None:
    times = [NOW_MS, NOW_MS - 1, NOW_MS + 1, NOW_MS - 63, NOW_MS - 64, NOW_MS - 65, 0, 1, 4_323_456_000_000, NOW_MS]
    records = [record(b"frame", ms) for ms in times]
    batch, taken = writer.write(records)
    assert taken == len(times)
    expect_batch(batch, records)


def test_a_long_interface_name_and_the_largest_numbers(writer: BatchWriter) -> None:
    most = Headers(2**16 - 1, 2**64 - 1, 2**64 - 1, 2**32 - 1)
    for name in ("", "x" * 63, "x" * 64, "é" * 4096, "x" * 65_535):
        records = [record(b"", headers=most), record(b"", headers=Headers(0, 0, 0, 0))]
        batch, taken = writer.write(records, interface=name)
        assert taken == 2
        expect_batch(batch, records, name)


@pytest.mark.parametrize("codec", [LZ4, ZSTD])
def test_what_does_not_shrink_is_sent_as_it_is(writer: BatchWriter, codec: int) -> None:
    records = [record(b"x")]
    batch, _ = writer.write(records, codec=codec)
    assert batch[22] & 7 == NONE
    expect_batch(batch, records)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("producer", [(-1, -1, -1), (0, 0, 0), (2**63 - 1, 2**15 - 1, 2**31 - 1)])
def test_who_sends_it(writer: BatchWriter, codec: int, producer: tuple[int, int, int]) -> None:
    records = [record(b"frame" * 20)] * 3
    batch, _ = writer.write(records, codec=codec, producer=producer)
    found = MemoryRecords(batch).next_batch()
    assert (found.producer_id, found.producer_epoch, found.base_sequence) == producer
    expect_batch(batch, records)


@pytest.mark.parametrize("codec", CODECS)
def test_every_flipped_bit_behind_the_crc_is_seen(writer: BatchWriter, codec: int) -> None:
    """Of the reader: that a batch it accepts is intact, which the tests above rest on."""
    batch, _ = writer.write([record(b"frame" * 30)] * 3, codec=codec)
    for at in range(17, len(batch)):
        broken = bytearray(batch)
        broken[at] ^= 1 << at % 8
        assert not MemoryRecords(bytes(broken)).next_batch().validate_crc()
