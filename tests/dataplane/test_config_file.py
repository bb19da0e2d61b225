"""A capture that is told everything by a file."""

from __future__ import annotations

from pathlib import Path

from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.mock_reader import read_all


def test_a_file_is_all_that_a_capture_needs(broker: str, tmp_path: Path) -> None:
    frames = [udp_of_size(60 + i, i) for i in range(500)]
    write_pcap(tmp_path / "in.pcap", [Frame(i * 10**9, len(data), data) for i, data in enumerate(frames)])
    file = tmp_path / "tap.toml"
    file.write_text(
        f'read = ["{tmp_path / "in.pcap"}"]\nbrokers = "{broker}"\ntopic = "t"\nfilter = "udp"\nsnaplen = 200\n'
        'oversubscribe = true\nreport = "-"\n[properties]\nlinger.ms = 1\n'
    )
    run = probe.fastcapa("capture", "--config", str(file))
    assert run.status == 0, run.stderr
    probe.assert_identity(run.report)
    assert run.report["kafka"]["delivered"] == 500
    assert sorted(record.value for record in read_all(broker, "t")) == sorted(data[:200] for data in frames)
    # What --check prints of it is the same capture.
    checked = probe.fastcapa("capture", "--config", str(file), "-t", "again", "--check")
    assert checked.status == 0, checked.stderr
    file.write_text(checked.stdout)
    run = probe.fastcapa("capture", "--config", str(file))
    assert (run.status, run.report["kafka"]["delivered"]) == (0, 500), run.stderr
    assert sorted(record.value for record in read_all(broker, "again")) == sorted(data[:200] for data in frames)
