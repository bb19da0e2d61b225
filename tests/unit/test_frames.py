"""The tests' own tools: what the writer wrote, the reference parser reads; checksums are right."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support import frames
from support.capture_files import CaptureError, Frame, Interface, read_capture, write_pcap, write_pcapng
from support.need import need

TIME_NS = 1_700_000_000_123_456_789


def _zoo() -> list[Frame]:
    return [Frame(TIME_NS + number * 1000, len(data), data) for number, (_, data) in enumerate(frames.zoo())]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap_round_trip(tmp_path: Path, order: str, nanoseconds: bool) -> None:
    path = tmp_path / "zoo.pcap"
    write_pcap(path, _zoo(), order=order, nanoseconds=nanoseconds)
    unit = 1 if nanoseconds else 1000
    assert [(f.time_ns, f.data) for f in read_capture(path)] == [(f.time_ns // unit * unit, f.data) for f in _zoo()]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("tsresol", "error_ns"), [(6, 1000), (9, 1), (0x80 | 30, 2), (0x80 | 10, 1_000_000)])
def test_pcapng_round_trip(tmp_path: Path, order: str, tsresol: int, error_ns: int) -> None:
    path = tmp_path / "zoo.pcapng"
    write_pcapng(path, _zoo(), order=order, interfaces=(Interface(tsresol=tsresol, tsoffset=1_000_000_000),))
    for read, written in zip(read_capture(path), _zoo(), strict=True):
        assert read.data == written.data
        assert 0 <= written.time_ns - read.time_ns < error_ns


def test_pcapng_interfaces_have_their_own_clocks(tmp_path: Path) -> None:
    path = tmp_path / "two.pcapng"
    written = [Frame(TIME_NS, 60, bytes(60), interface=1), Frame(TIME_NS // 1000 * 1000, 60, bytes(60))]
    write_pcapng(path, written, interfaces=(Interface(), Interface(tsresol=9, tsoffset=-100)))
    assert list(read_capture(path)) == written


def test_a_cut_file_gives_its_whole_frames_first(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    write_pcap(path, _zoo())
    path.write_bytes(path.read_bytes()[:-1])
    read: list[Frame] = []
    with pytest.raises(CaptureError, match="cut in a frame"):
        read.extend(read_capture(path))
    assert len(read) in (0, len(_zoo()) - 1)


def test_checksums_are_what_tcpdump_computes(tmp_path: Path) -> None:
    need(shutil.which("tcpdump"), "no tcpdump; apt-get install tcpdump")
    path = tmp_path / "zoo.pcap"
    write_pcap(path, [frame for frame in _zoo() if len(frame.data) < 2000])
    command = ["tcpdump", "-nvvr", str(path), "ip or ip6 or vlan"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert text.count("udp sum ok") + text.count("(correct)") == 7, text
    assert "bad" not in text
    assert "incorrect" not in text
