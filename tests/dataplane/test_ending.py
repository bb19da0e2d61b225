"""How a run ends: drained, given up, or killed. Nothing is left behind and nothing hangs."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, write_pcap
from support.frames import udp_of_size
from support.live import wait_until
from support.mock_reader import read_all
from support.remains import nothing_left

from fastcapa.kafka.embedded import EmbeddedBroker


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """Devargs of a device that repeats a file for ever."""
    write_pcap(tmp_path / "loop.pcap", [Frame(0, 64, udp_of_size(64, i)) for i in range(64)])
    return f"net_pcap0,rx_pcap={tmp_path / 'loop.pcap'},infinite_rx=1"


def start(broker: str, device: str, report: Path, *more: str) -> "subprocess.Popen[str]":
    arguments = ("capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", device, *more)
    process = probe.start(*arguments, report=report)
    probe.wait_for_line(process, "timestamps of")
    return process


def engine_of(process: "subprocess.Popen[str]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0])


def gone(pid: int, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(broker: str, tmp_path: Path, number: signal.Signals) -> None:
    process = start(broker, "net_null0,size=64", tmp_path / "report.json")
    process.send_signal(number)
    run = probe.finish(process)
    assert run.status == 0, run.stderr
    report = read_report(tmp_path)
    probe.assert_identity(report)
    assert report["kafka"]["delivered"] == report["rx"]["out"] > 0
    assert "draining for up to 30 s" in run.stderr


def read_report(tmp_path: Path) -> probe.Report:
    run = probe.Run(0, (tmp_path / "report.json").read_text(), "")
    return run.report


def test_drain_time_out_counts_what_kafka_did_not_take(broker: str, tmp_path: Path) -> None:
    # Batches that are not ready to be sent for ten minutes, and no time to wait for them but a flush's.
    process = start(broker, "net_null0,size=64", tmp_path / "report.json", "--drain-timeout", "0")
    process.send_signal(signal.SIGTERM)
    run = probe.finish(process)
    report = read_report(tmp_path)
    probe.assert_identity(report)
    kafka = report["kafka"]
    assert kafka["abandoned"] == kafka["failed"] > 0
    assert run.status == 1
    assert f"did not take {kafka['failed']} packets" in run.stderr


def test_brokers_gone_the_second_signal_stops_at_once(tmp_path: Path, endless: str) -> None:
    with EmbeddedBroker() as embedded:
        process = start(embedded.bootstrap, endless, tmp_path / "report.json", "--drain-timeout", "600")
        # From here on nobody acknowledges anything.
    process.send_signal(signal.SIGTERM)
    probe.wait_for_line(process, "draining")
    process.send_signal(signal.SIGTERM)
    run = probe.finish(process, timeout=20)
    report = read_report(tmp_path)
    probe.assert_identity(report)
    assert report["kafka"]["abandoned"] > 0
    assert run.status == 1
    assert "stopped at once" in run.stderr


def test_killed_engine_is_reported_with_its_cause(broker: str, tmp_path: Path, endless: str) -> None:
    process = start(broker, endless, tmp_path / "report.json")
    os.kill(engine_of(process), signal.SIGKILL)
    run = probe.finish(process, timeout=20)
    assert run.status == 1
    assert "the engine was killed by SIGKILL" in run.stderr
    assert not (tmp_path / "report.json").exists()


def test_an_engine_killed_while_it_starts_leaves_no_directory(broker: str, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    with nothing_left(temporary):
        arguments = ("capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", "net_null0,size=64")
        process = probe.start(*arguments, report=tmp_path / "report.json")
        wait_until(lambda: any(temporary.glob("fastcapa-*")))
        # The EAL has made its own in the one that it was given; or, on a slow machine, has removed both already.
        wait_until(lambda: any(temporary.glob("fastcapa-*/dpdk")) or not any(temporary.iterdir()))
        os.kill(engine_of(process), signal.SIGKILL)
        run = probe.finish(process, timeout=20)
        assert run.status == 1
        assert "the engine was killed by SIGKILL" in run.stderr


def test_engine_outlives_its_supervisor_only_to_drain(broker: str, tmp_path: Path, endless: str) -> None:
    process = start(broker, endless, tmp_path / "report.json")
    engine = engine_of(process)
    process.kill()
    process.wait()
    assert gone(engine, within=20)
    assert read_all(broker, "t")


def test_ctrl_c_while_the_engine_starts(broker: str, tmp_path: Path) -> None:
    arguments = ("capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", "net_null0,size=64")
    process = subprocess.Popen(
        [*probe.command(*arguments), "--report", str(tmp_path / "report.json")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    probe.wait_for_line(process, "through the direct producer")  # the engine comes next
    os.killpg(process.pid, signal.SIGINT)
    run = probe.finish(process)
    assert run.status == 0, run.stderr
    probe.assert_identity(read_report(tmp_path))


def test_nobody_reads_what_it_says(broker: str, tmp_path: Path, endless: str) -> None:
    process = start(broker, endless, tmp_path / "report.json")
    assert process.stderr is not None
    process.stderr.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    probe.assert_identity(read_report(tmp_path))


def test_closed_standard_streams(broker: str, tmp_path: Path) -> None:
    write_pcap(tmp_path / "in.pcap", [Frame(i, 64, udp_of_size(64, i)) for i in range(100)])
    arguments = ("capture", "-b", broker, "-t", "t", "--oversubscribe", "-r", str(tmp_path / "in.pcap"))
    command = [*probe.command(*arguments), "--report", str(tmp_path / "report.json")]
    result = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command], check=False, timeout=60)
    assert result.returncode == 0
    report = read_report(tmp_path)
    probe.assert_identity(report)
    assert report["kafka"]["delivered"] == 100


def test_stopped_and_continued(broker: str, tmp_path: Path, endless: str) -> None:
    process = start(broker, endless, tmp_path / "report.json")
    engine = engine_of(process)
    for pid in (process.pid, engine):
        os.kill(pid, signal.SIGSTOP)
    for pid in (engine, process.pid):
        os.kill(pid, signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    run = probe.finish(process)
    assert run.status == 0, run.stderr
    probe.assert_identity(read_report(tmp_path))
