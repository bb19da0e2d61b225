"""What `read` writes: the right format, resolution and errors; other programs can read it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.need import need

from fastcapa._pcap import CaptureReader
from fastcapa.errors import RunTimeError, UsageError
from fastcapa.read.capture_files import PCAP_TIME_MAX_NS, Output, OutputClosed, choose_target

TIME_NS = 1_700_000_000_123_456_789
ARP = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002")
FRAMES = [(TIME_NS, 42, ARP), (TIME_NS + 1_000_000, 1500, ARP + bytes(3)), (TIME_NS + 2_000_000, 0, b"")]


def written(path: Path, nanoseconds: bool) -> list[tuple[int, int, bytes]]:
    output = Output(str(path))
    for frame in FRAMES:
        output.write(*frame, nanoseconds)
    output.close()
    output.close()
    assert output.written == len(FRAMES)
    with CaptureReader(path) as reader:
        return list(reader)


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng", "out"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_frames_are_read_back(tmp_path: Path, name: str, nanoseconds: bool) -> None:
    unit = 1 if nanoseconds else 1000
    expected = [(time_ns // unit * unit, length, frame) for time_ns, length, frame in FRAMES]
    assert written(tmp_path / name, nanoseconds) == expected
    start = (tmp_path / name).read_bytes()[:4].hex()
    assert start == ("0a0d0d0a" if name.endswith("ng") else "4d3cb2a1" if nanoseconds else "d4c3b2a1")


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
def test_tcpdump_reads_it(tmp_path: Path, name: str) -> None:
    need(shutil.which("tcpdump"), "no tcpdump; apt-get install tcpdump")
    written(tmp_path / name, nanoseconds=True)
    command = ["tcpdump", "-nn", "-tt", "--nano", "-r", str(tmp_path / name), "arp"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "EN10MB" in result.stderr
    assert [line.split()[:3] for line in result.stdout.splitlines() if line[0].isdigit()] == [
        ["1700000000.123456789", "ARP,", "Request"],
        ["1700000000.124456789", "ARP,", "Request"],
    ]


@pytest.mark.parametrize("name", ["out.pcap", "out.pcapng"])
def test_without_frames_it_is_an_empty_capture_file(tmp_path: Path, name: str) -> None:
    Output(str(tmp_path / name)).close()
    with CaptureReader(tmp_path / name) as reader:
        assert list(reader) == []


def test_times_after_2106(tmp_path: Path) -> None:
    for name, expected, cut in (("out.pcap", PCAP_TIME_MAX_NS, 1), ("out.pcapng", 2**32 * 10**9 + 5, 0)):
        output = Output(str(tmp_path / name))
        output.write(2**32 * 10**9 + 5, 42, ARP, True)
        output.close()
        with CaptureReader(tmp_path / name) as reader:
            assert [time_ns for time_ns, _, _ in reader] == [expected]
        assert output.times_cut == cut


def test_full_disk(tmp_path: Path) -> None:
    full = tmp_path / "full.pcapng"
    full.symlink_to("/dev/full")
    for target in ("/dev/full", str(full)):
        output = Output(target)
        with pytest.raises(RunTimeError, match=f"{target}: No space left on device; make room"):
            output.write(*FRAMES[0], False)
        output.close()  # says nothing twice


def test_output_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(RunTimeError, match="No such file or directory"):
        Output(str(tmp_path / "none" / "out.pcap"))


class Pipe:
    """Stands for standard output."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def fileno(self) -> int:
        return self.write_end

    def isatty(self) -> bool:
        return False


def test_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe)
    output = Output("-")
    output.idle()  # too early for a header
    output.write(*FRAMES[0], False)
    output.idle()
    assert len(os.read(pipe.read_end, 1000)) == 24 + 16 + len(ARP)
    os.close(pipe.read_end)
    with pytest.raises(OutputClosed):
        output.idle()
    output.close()


def test_pipe_gets_the_header_before_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe)
    monkeypatch.setattr("fastcapa.read.capture_files._HEADER_AFTER_S", -1.0)
    output = Output("-")
    output.idle()
    assert os.read(pipe.read_end, 1000)[:4].hex() == "4d3cb2a1"  # nanoseconds: right for whatever comes
    output.write(*FRAMES[0], False)
    output.close()
    assert len(os.read(pipe.read_end, 1000)) == 16 + len(ARP)


def test_choose_target(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_target("f") == "f"
    monkeypatch.setattr(sys, "stdout", Pipe())
    assert choose_target(None) == choose_target("-") == "-"
    monkeypatch.setattr(Pipe, "isatty", lambda _: True)
    for option in (None, "-"):
        with pytest.raises(UsageError, match="tcpdump -r -"):
            choose_target(option)
    with pytest.raises(UsageError):
        choose_target("")
