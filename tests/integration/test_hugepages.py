"""Packet memory in hugepages, when there are enough of them: used, given back, and no file left behind."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest
from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.live import Live, wait_until
from support.mock_reader import read_all
from support.need import need
from support.remains import nothing_left

from fastcapa.kafka.embedded import EmbeddedBroker

PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def free_pages() -> int:
    return int((PAGES / "free_hugepages").read_text())


@pytest.fixture
def hugepages() -> Iterator[int]:
    """Reserve 256 MiB of hugepages; how many are free."""
    need(os.geteuid() == 0 and PAGES.is_dir(), "no privilege to reserve hugepages of 2 MiB; run as root")
    before = (PAGES / "nr_hugepages").read_text()
    (PAGES / "nr_hugepages").write_text(str(int(before) + 128))
    try:
        free = free_pages()
        need(free >= 128, f"only {free} hugepages could be reserved, 128 are needed")
        yield free
    finally:
        (PAGES / "nr_hugepages").write_text(before)


def test_an_engine_that_is_killed_gives_them_back(hugepages: int, tmp_path: Path) -> None:
    with nothing_left(tmp_path / "temporary"), EmbeddedBroker() as broker:
        live = Live.begin(broker.bootstrap, "t", "--device", "net_null0,size=64", directory=tmp_path)
        assert free_pages() < hugepages
        os.kill(live.engine, SIGKILL)
        assert live.ended().status == 1
    wait_until(lambda: free_pages() >= hugepages)  # the kernel may free them a little later


def test_capture_in_hugepages(hugepages: int, tmp_path: Path) -> None:
    frames = [udp_of_size(size, i) for i, size in enumerate([60, 1514, 9216, 65_535] * 10)]
    write_pcap(tmp_path / "in.pcap", [Frame(i * 1000, len(f), f) for i, f in enumerate(frames)])
    with EmbeddedBroker() as broker:
        run = probe.fastcapa(
            "capture",
            "-b",
            broker.bootstrap,
            "-t",
            "t",
            "--oversubscribe",
            "-r",
            str(tmp_path / "in.pcap"),
            "--report",
            "-",
        )
        assert run.status == 0, run.stderr
        assert "in hugepages" in run.stderr
        probe.assert_identity(run.report)
        assert Counter(record.value for record in read_all(broker.bootstrap, "t")) == Counter(frames)
    wait_until(lambda: free_pages() >= hugepages)  # the kernel may free them a little later
