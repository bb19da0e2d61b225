"""Workers run where the user says."""

import os
from pathlib import Path

from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.need import need


def test_lcores_are_where_the_workers_run(broker: str, tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    need(len(cpus) > 1, "one CPU only")
    file = tmp_path / "a.pcap"
    write_pcap(file, [Frame(1, 100, udp_of_size(100)) for _ in range(1000)])
    report = probe.capture(broker, "t", "-r", str(file), "--lcores", f"{cpus[1]},{cpus[0]}")
    assert [(row["role"], row["lcore"]) for row in report["workers"]] == [("rx", cpus[1]), ("tx", cpus[0])]
    assert report["kafka"]["delivered"] == 1000


def test_lcores_that_leave_no_cpu_are_refused(broker: str, tmp_path: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    need(len(cpus) > 1, "one CPU only")
    file = tmp_path / "a.pcap"
    write_pcap(file, [])
    everything = ("--tx-workers", str(len(cpus) - 1), "--lcores", ",".join(map(str, cpus)))
    run = probe.fastcapa("capture", "-r", str(file), "-b", broker, "-t", "t", *everything)
    assert run.status == 2
    assert f"--lcores takes all {len(cpus)} CPUs of this process" in run.stderr
