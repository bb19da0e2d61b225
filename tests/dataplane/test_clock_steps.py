"""A step of the system clock while capturing: counted, said, and keys go back by no more than the step."""

import itertools
import os
import time
from pathlib import Path

import pytest
from support.c_programs import build
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.live import Live
from support.mock_reader import read_all

STEP_US = 3_000_000
FRAMES = 4096


def test_a_step_back_is_counted(broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim, offset = tmp_path / "stepped_clock.so", tmp_path / "offset"
    source = Path(__file__).parents[1] / "support" / "stepped_clock.c"
    build(shim, [source], ["-shared", "-fPIC", "-ldl"], sanitizers=[])
    offset.write_text("0")
    write_pcap(tmp_path / "loop.pcap", [Frame(0, 64, udp_of_size(64, i)) for i in range(FRAMES)])
    # Loaded after the sanitizers' libraries, if there are any.
    monkeypatch.setenv("LD_PRELOAD", f"{os.environ.get('LD_PRELOAD', '')} {shim}".strip())
    monkeypatch.setenv("STEPPED_CLOCK", str(offset))
    device = f"net_pcap0,rx_pcap={tmp_path / 'loop.pcap'},infinite_rx=1"
    # One frame of many, for the broker keeps only the newest few megabytes of each partition.
    live = Live.begin(broker, "t", "--device", device, "udp[12:4] = 7", directory=tmp_path)
    time.sleep(1)
    stepped = offset.with_name("new")
    stepped.write_text(str(-STEP_US // 1000))
    stepped.rename(offset)
    time.sleep(1)
    report = live.stop()
    (row,) = report["sources"]
    assert row["clock_steps"] == 1
    keys: dict[int, list[int]] = {}
    for record in read_all(broker, "t"):
        keys.setdefault(record.partition, []).append(int.from_bytes(record.key, "big"))
    back = [before - after for series in keys.values() for before, after in itertools.pairwise(series)]
    assert STEP_US - 1_000_000 < max(back) <= STEP_US
    assert len([step for step in back if step > 0]) <= len(keys)
