"""The README's first command, as a user without privileges would run it."""

import json
from pathlib import Path

from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size, zoo


def test_demo(tmp_path: Path) -> None:
    run = probe.fastcapa("demo", "--report", str(tmp_path / "report.json"), timeout=60)
    assert run.status == 0, run.stderr
    assert "every key and every byte as it was sent" in run.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    probe.assert_identity(report)
    assert report["kafka"]["delivered"] == 5000


def test_demo_with_a_file_of_the_user(tmp_path: Path) -> None:
    frames = [Frame(1_700_000_000 * 10**9 + i * 1000, len(data), data) for i, (_, data) in enumerate(zoo())]
    write_pcap(tmp_path / "mine.pcap", frames)
    run = probe.fastcapa("demo", "-r", str(tmp_path / "mine.pcap"), "--report", "-")
    assert run.status == 0, run.stderr
    assert run.report["kafka"]["delivered"] == len(frames)


def test_demo_takes_what_the_embedded_broker_can_keep(tmp_path: Path) -> None:
    frames = [Frame(i * 1000, 9000, udp_of_size(9000, i)) for i in range(1000)]
    write_pcap(tmp_path / "large.pcap", frames)
    run = probe.fastcapa("demo", "-r", str(tmp_path / "large.pcap"), "--report", "-")
    assert run.status == 0, run.stderr
    assert 0 < run.report["kafka"]["delivered"] < 1000
    assert "frames only" in run.stderr


def test_demo_refuses_what_it_cannot_send(tmp_path: Path) -> None:
    write_pcap(tmp_path / "none.pcap", [])
    for file in ("none.pcap", "absent.pcap"):
        run = probe.fastcapa("demo", "-r", str(tmp_path / file))
        assert run.status == 1
        assert len(run.stderr.splitlines()) == 1
