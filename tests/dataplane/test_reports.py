"""Reports of a capture that goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.live import Live, wait_until
from support.mock_reader import read_all
from support.probe import assert_identity, finish, start, wait_for_line

KEPT = 2
FRAMES = 100


def test_reports_rotate_while_the_capture_goes_on(broker: str, tmp_path: Path) -> None:
    pattern = tmp_path / "report-%Y%m%d-%H%M%S.json"
    words = ("--report", str(pattern), "--report-every", "1", "--report-keep", str(KEPT))
    frames = tmp_path / "frames.pcap"
    sent = [udp_of_size(64, number) for number in range(FRAMES)]
    write_pcap(frames, [Frame(0, 64, frame) for frame in sent])
    device = ("--device", f"net_pcap0,rx_pcap={frames}")  # which then has no more of them, and goes on
    options = ("-b", broker, "-t", "t", "--oversubscribe", *device, "--duration", "5")
    process = start("capture", *options, *words)
    seen: set[str] = set()

    def watch() -> bool:
        names = {path.name for path in tmp_path.glob("report-*.json")}
        assert len(names) <= KEPT + 1  # the oldest goes when the newest is there
        seen.update(names)
        return process.poll() is not None

    wait_until(watch)
    assert finish(process).status == 0
    left = sorted(tmp_path.glob("report-*.json"))
    assert len(left) == KEPT < len(seen)
    before, last = (json.loads(path.read_text()) for path in left)
    assert (before["final"], last["final"]) == (False, True)
    assert before["mbufs_missing"] is None
    assert before["written_at"] < last["written_at"] < time.time()
    assert before["kafka"]["delivered"] == last["kafka"]["delivered"] == FRAMES
    assert before.keys() == last.keys()
    assert last["reports"]["written"] >= KEPT
    assert last["reports"]["failed"] == 0
    assert_identity(last)
    assert sorted(record.value for record in read_all(broker, "t")) == sorted(sent)


def test_a_directory_that_goes_away_does_not_hold_the_capture_up(broker: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    live = Live.begin(broker, "t", "--device", "net_ring0", "--report-every", "1", directory=place)
    wait_until(live.path.exists)
    place.rename(tmp_path / "elsewhere")
    wait_for_line(
        live.process, f"cannot write the report to {live.path}: No such file or directory; tried again every 1 s"
    )
    (tmp_path / "elsewhere").rename(place)
    wait_for_line(live.process, "reports are written again")
    report = live.stop()
    assert report["reports"]["failed"] > 0
    assert report["reports"]["skipped"] == 0


def test_a_pipe_gets_one_object_after_the_other(broker: str) -> None:
    options = ("-b", broker, "-t", "t", "--oversubscribe", "--device", "net_ring0", "--duration", "3")
    process = start("capture", *options, "--report", "-", "--report-every", "1")
    run = finish(process)
    decoder, text, found = json.JSONDecoder(), run.stdout, []
    while text.strip():
        report, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(report["final"])
    assert found[-1]
    assert found[:-1] == [False] * (len(found) - 1)
    assert len(found) >= 2
