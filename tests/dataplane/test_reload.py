"""SIGHUP to a probe that runs, from outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import Live
from support.probe import wait_for_line


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """SIGHUP as a terminal has it: whatever runs the tests may ignore it (nohup does), and children inherit that."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_hang_up_reads_the_file_again_and_capture_goes_on(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "tap.toml"
    file.write_text("tx-ring = 1024\n")
    live = Live.begin(broker, "t", "--config", str(file), "--device", "net_ring0", directory=tmp_path)
    for text, said in (
        ('tx-ring = 512\nlog-level = "notice"\n', "log-level is notice"),
        ("rx-burst = 8\n", "restart the probe for what else has changed: rx-burst, tx-ring"),
        ("snaplen = \n", f"all stays as it is: {file}:1: is not TOML"),
        ('tx-ring = 1024\nlog-format = "json"\n', '"message": "configuration read again: log-format is json"}'),
    ):
        file.write_text(text)
        live.signal(signal.SIGHUP)
        wait_for_line(live.process, said)
    report = live.stop()
    assert report["source"]["in"] == 0


def test_an_engine_that_takes_over_has_the_rules_of_the_last_hang_up(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "tap.toml"
    file.write_text('filter = "udp"\n')
    live = Live.begin(broker, "t", "--config", str(file), "--restart", "--device", "net_ring0", directory=tmp_path)
    file.write_text('filter = "tcp port 25"\nsnaplen = 96\n')
    live.signal(signal.SIGHUP)
    wait_for_line(live.process, "filter becomes tcp port 25")
    wait_for_line(live.process, "snaplen becomes 96")
    os.kill(live.engine, signal.SIGKILL)
    wait_for_line(live.process, "(restart 1)")
    live.signal(signal.SIGTERM)
    assert live.ended().status == 0
    rules = live.raw_report()["rules"]
    assert (rules["filter"], rules["snaplen"]) == ("tcp port 25", 96)


@pytest.mark.usefixtures("hang_ups")
def test_without_a_file_a_hang_up_ends_the_probe_as_it_does_any(broker: str, tmp_path: Path) -> None:
    live = Live.begin(broker, "t", "--device", "net_ring0", directory=tmp_path)
    live.signal(signal.SIGHUP)
    assert live.ended().status == -signal.SIGHUP
