"""The libpcap binding: filters, reading and writing of capture files."""

import errno
import os
import struct
from pathlib import Path

import pytest

from fastcapa._pcap import SNAPLEN_MAX, CaptureFileError, CaptureReader, CaptureWriter, Filter, FilterError

UDP_53 = bytes.fromhex(
    "ffffffffffff0200000000010800"  # Ethernet
    "4500001c00000000401100007f0000017f000001"  # IPv4
    "303900350008000000"  # UDP 12345 -> 53, and a byte of padding
)
FRAMES = [
    (1_700_000_000_123_456_789, 60, UDP_53),
    (4_294_967_295_999_999_999, 1500, b"\x00" * 64),
    (0, 0, b""),
]


def pcap_header(magic: int = 0xA1B2C3D4, link_type: int = 1) -> bytes:
    return struct.pack("<IHHiIII", magic, 2, 4, 0, 0, SNAPLEN_MAX, link_type)


@pytest.mark.parametrize("nanoseconds", [False, True])
def test_written_frames_are_read_back(tmp_path: Path, nanoseconds: bool) -> None:
    path = tmp_path / "out.pcap"
    with CaptureWriter(path, nanoseconds=nanoseconds) as writer:
        for frame in FRAMES:
            writer.write(*frame)
    with CaptureReader(path) as reader:
        unit = 1 if nanoseconds else 1000
        assert list(reader) == [(time_ns // unit * unit, length, frame) for time_ns, length, frame in FRAMES]
        assert (reader.link_type, reader.link_type_name, reader.link_type_description) == (
            1,
            "EN10MB",
            "Ethernet",
        )


def test_descriptor_stays_the_callers(tmp_path: Path) -> None:
    with (tmp_path / "out.pcap").open("wb") as file:
        writer = CaptureWriter(file.fileno())
        assert os.fstat(file.fileno()).st_size == 24  # the header at once
        writer.close()
        writer.close()
        os.fstat(file.fileno())


def test_full_disk_is_raised_at_once_at_flush_and_at_close(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        CaptureWriter("/dev/full")
    assert caught.value.errno == errno.ENOSPC

    read_end, write_end = os.pipe()
    writer = CaptureWriter(write_end)
    os.close(write_end)
    writer.write(0, 60, UDP_53)  # into the buffer
    os.close(read_end)
    with pytest.raises(BrokenPipeError):
        writer.flush()
    with pytest.raises(OSError):
        writer.write(0, 60, UDP_53)
    with pytest.raises(OSError):
        writer.close()
    with pytest.raises(ValueError):
        writer.write(0, 60, UDP_53)


def test_failure_during_write_is_raised_by_write() -> None:
    read_end, write_end = os.pipe()
    writer = CaptureWriter(write_end)
    os.close(write_end)
    os.close(read_end)
    with pytest.raises(BrokenPipeError):
        for _ in range(3):
            writer.write(0, SNAPLEN_MAX, bytes(SNAPLEN_MAX))
    del writer


def test_writer_refuses_what_a_file_cannot_hold(tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "out.pcap") as writer:
        with pytest.raises(ValueError, match="2106"):
            writer.write(2**32 * 10**9, 60, UDP_53)
        with pytest.raises(ValueError, match="262144"):
            writer.write(0, 2**20, bytes(SNAPLEN_MAX + 1))
        for time_ns, length in ((-1, 60), (0, -1), (0, 2**32)):
            with pytest.raises(OverflowError):
                writer.write(time_ns, length, UDP_53)
    with CaptureReader(tmp_path / "out.pcap") as reader:
        assert list(reader) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"not a capture file, but long enough for one", "unknown file format"),
        (pcap_header()[:20], "truncated"),
    ],
)
def test_what_is_no_capture_file(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureFileError, match=message):
        CaptureReader(path)


def test_cut_off_file_gives_its_whole_frames_first(tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    record = struct.pack("<IIII", 1, 2, 4, 4) + b"abcd"
    path.write_bytes(pcap_header() + record + record[:-1])
    with CaptureReader(path) as reader:
        assert next(reader) == (1_000_002_000, 4, b"abcd")
        with pytest.raises(CaptureFileError, match="truncated"):
            next(reader)


def test_broken_times_do_not_overflow(tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap_header(0xA1B23C4D) + struct.pack("<IIII", 0, 0xFFFFFFFF, 0, 0))
    with CaptureReader(path) as reader:
        assert [time_ns for time_ns, _, _ in reader] == [0]


def test_other_link_type_is_named(tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(pcap_header(link_type=105))
    with CaptureReader(path) as reader:
        assert (reader.link_type, reader.link_type_name) == (105, "IEEE802_11")


def test_unreadable_paths_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CaptureReader(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        CaptureReader(tmp_path)


def test_filter() -> None:
    assert Filter("udp port 53").matches(UDP_53)
    assert not Filter("udp port 54").matches(UDP_53)
    assert not Filter("udp port 53").matches(UDP_53[:20])
    assert not Filter("udp").matches(b"")
    assert Filter("").matches(b"")
    assert Filter("greater 1000").matches(UDP_53, 1500)
    assert not Filter("greater 1000").matches(UDP_53)


@pytest.mark.parametrize("expression", ["tcp port", "host [", "udp\0", "nonsense"])
def test_malformed_filter(expression: str) -> None:
    with pytest.raises(FilterError):
        Filter(expression)


def test_filter_refuses_impossible_lengths() -> None:
    with pytest.raises(OverflowError):
        Filter("udp").matches(UDP_53, 2**32)
    with pytest.raises(ValueError):
        Filter("udp", 0)
