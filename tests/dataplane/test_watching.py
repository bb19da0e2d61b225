"""What shows of a running capture: metrics, lines, the live table; and that looking never hurts the capture."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGTERM

import pytest
from support import probe, scrape
from support.capture_files import Frame, write_pcap
from support.certificates import Authority
from support.frames import udp_of_size
from support.live import wait_until
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker
from support.terminal import Terminal

from fastcapa.monitor.http import CONNECTIONS_MAX

DELAY_S = 0.02  # of the slow broker, for each request
SERVED = "status page and metrics at "


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """Devargs of a device that repeats a file for ever."""
    write_pcap(tmp_path / "loop.pcap", [Frame(0, 64, udp_of_size(64, i)) for i in range(64)])
    return f"net_pcap0,rx_pcap={tmp_path / 'loop.pcap'},infinite_rx=1"


class Slow(Script):
    """A broker that takes its time, so that little is to be done by anybody."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        time.sleep(DELAY_S)
        return Reply(response)


@pytest.fixture
def slow() -> Iterator[ScriptedBroker]:
    with ScriptedBroker(script=Slow()) as broker:
        yield broker


def options(broker: str, device: str, *more: str) -> tuple[str, ...]:
    source = ("capture", "-b", broker, "-t", "t", "--oversubscribe", "--device", device)
    return (*source, "-X", "batch.size=16384", "--buffer-memory", "2", "--drain-timeout", "60", *more)


@contextmanager
def watched(broker: str, device: str, report: Path, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A capture that serves metrics: their address, and the process; drained at the end, every packet accounted for."""
    process = probe.start(*options(broker, device, "--metrics", ":0", *more), report=report)
    assert process.stderr is not None
    try:
        line = next(line for line in process.stderr if SERVED in line)
        probe.wait_for_line(process, "timestamps of")
        yield line.partition(SERVED)[2].strip(), process
        process.send_signal(SIGTERM)
    except BaseException:
        process.kill()
        raise
    run = probe.finish(process)
    assert run.status == 0, run.stderr
    probe.assert_identity(json.loads(report.read_text()))


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_metrics_of_a_run(broker: str, tmp_path: Path, endless: str, producer: str) -> None:
    report = tmp_path / "report.json"
    with watched(broker, endless, report, "--producer", producer) as (base, _):
        wait_until(lambda: scrape.metric(base, "fastcapa_kafka_delivered_total") > 0)
        # librdkafka's statistics follow a fifth of a second later.
        wait_until(lambda: scrape.metric(base, "fastcapa_broker_round_trip_seconds_count") > 0)
        assert scrape.metric(base, "fastcapa_broker_connections") == 1
        assert scrape.metric(base, "fastcapa_broker_round_trip_seconds_sum") > 0
        wait_until(lambda: 0 < scrape.metric(base, "fastcapa_kafka_buffer_fill_ratio") <= 1)
        assert scrape.metric(base, "fastcapa_tx_ring_size") == 16_384
        assert scrape.get(f"{base}readyz") == scrape.get(f"{base}healthz") == (200, b"ok\n")
        status = scrape.status(base)
        assert (status["phase"], status["about"]["producer"]) == ("running", producer)
        delivered = scrape.metric(base, "fastcapa_kafka_delivered_total")
    final = json.loads(report.read_text())
    assert 0 < delivered <= final["kafka"]["delivered"]
    (seen,) = final["brokers"]
    assert seen["answers"] > 0
    # An answer takes some time, and not longer than the run.
    assert 0 < seen["round_trip_ns"] / seen["answers"] < final["seconds"] * 1e9


def test_a_round_trip_is_as_long_as_the_broker_takes(slow: ScriptedBroker, tmp_path: Path, endless: str) -> None:
    report = tmp_path / "report.json"
    with watched(slow.bootstrap, endless, report) as (base, _):
        wait_until(lambda: scrape.metric(base, "fastcapa_broker_round_trip_seconds_count") >= 20)
        wait_until(lambda: any(f["hop"] == "kafka" and f["loss"] for f in scrape.status(base)["view"]["findings"]))
    (seen,) = json.loads(report.read_text())["brokers"]
    assert seen["round_trip_ns"] / seen["answers"] / 1e9 >= DELAY_S


def test_a_port_in_use_is_an_error_before_anything_starts(broker: str, endless: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for more in ((), ("--check",)):
            run = probe.fastcapa(*options(broker, endless, "--metrics", f":{port}", *more))
            assert run.status == 2
            assert re.fullmatch(rf"fastcapa: --metrics :{port}: Address already in use; .*\n", run.stderr)


def test_clients_that_hang_do_not_hold_the_probe_up(slow: ScriptedBroker, tmp_path: Path, endless: str) -> None:
    with watched(slow.bootstrap, endless, tmp_path / "report.json") as (base, _):
        port = int(base.rpartition(":")[2].strip("/"))
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS_MAX + 8)]
        for client in clients[::2]:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ")
        # They make room, and what is served then is new.
        wait_until(lambda: scrape.status(base)["view"] is not None)
        before = scrape.status(base)["view"]["seconds"]
        wait_until(lambda: scrape.status(base)["view"]["seconds"] > before + 1)
        for client in clients:
            client.close()


def test_over_tls_with_a_token(slow: ScriptedBroker, tmp_path: Path, endless: str) -> None:
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("probe", alternative="IP:127.0.0.1")
    token = "a-token-of-some-length"  # noqa: S105
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    more = ("--metrics-certificate", str(pair), "--metrics-token-file", str(file))
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with watched(slow.bootstrap, endless, tmp_path / "report.json", *more) as (base, _):
        assert base.startswith("https://127.0.0.1:")
        # Clients that never shake hands take every place, until their time is over.
        port = int(base.rpartition(":")[2].strip("/"))
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS_MAX + 8)]
        assert scrape.get(f"{base}metrics", tls=trusting)[0] == 401
        status, text = scrape.get(f"{base}metrics", tls=trusting, token=token)
        assert status == 200
        assert b"fastcapa_engine_up 1.0" in text
        assert scrape.get(f"{base}healthz", tls=trusting) == (200, b"ok\n")
        for client in silent:
            client.close()


def test_an_encrypted_key_is_refused_and_not_asked_for(broker: str, tmp_path: Path, endless: str) -> None:
    authority = Authority(tmp_path / "tls")
    pair = authority.issue("probe", alternative="IP:127.0.0.1")
    key = authority.encrypt_key(pair, "password")
    more = ("--metrics", ":0", "--metrics-certificate", str(pair), "--metrics-key", str(key))
    run = probe.fastcapa(*options(broker, endless, *more), timeout=30)
    assert run.status == 2
    assert "not encrypted" in run.stderr


def test_lines_where_there_is_no_terminal(slow: ScriptedBroker, endless: str) -> None:
    process = probe.start(*options(slow.bootstrap, endless, "--stats", "live", "--stats-interval", "1"))
    probe.wait_for_line(process, "fastcapa: 0:00:0")
    probe.wait_for_line(process, "delivered")
    process.send_signal(SIGTERM)
    run = probe.finish(process)
    assert run.status == 0, run.stderr


def test_nothing_between_the_lines_of_the_log_without_a_terminal(slow: ScriptedBroker, endless: str) -> None:
    process = probe.start(*options(slow.bootstrap, endless, "--duration", "2"))
    run = probe.finish(process)
    assert run.status == 0, run.stderr
    lines = [line for line in run.stderr.splitlines() if not line.startswith("fastcapa: ")]
    assert lines[0].endswith("packets captured")
    assert "round trip" not in run.stderr


def test_the_live_table_goes_and_leaves_whole_lines(slow: ScriptedBroker, endless: str) -> None:
    terminal = Terminal(probe.command(*options(slow.bootstrap, endless)), columns=100)
    try:
        wait_until(lambda: any("round trip  broker 1 " in line for line in terminal.shown()))
        shown = "\n".join(terminal.shown())
        assert re.search(r"^tx rings .*ring full", shown, re.MULTILINE), shown
        # A line of the log while the table is there: it stands above the table, which is there once.
        terminal.process.send_signal(SIGTERM)
        wait_until(lambda: any("draining for up to" in line for line in terminal.everything()))
    finally:
        status = terminal.end()
    lines = terminal.everything()
    assert status == 0, lines
    assert not any(line.startswith(("hop ", "tx rings", "round trip")) for line in lines), lines
    assert "fastcapa: draining for up to 60 s; stop again to give up what is left" in lines
    assert any(line.endswith("packets captured") for line in lines)


def test_a_stopped_terminal_stops_nothing_else(slow: ScriptedBroker, tmp_path: Path, endless: str) -> None:
    report = tmp_path / "report.json"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    more = ("--metrics", f":{port}", "--report", str(report))
    terminal = Terminal(probe.command(*options(slow.bootstrap, endless, *more)), columns=100)
    base = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: any("round trip  broker 1 " in line for line in terminal.shown()))
        terminal.stop_output()
        before = scrape.status(base)["view"]["seconds"]
        wait_until(lambda: scrape.status(base)["view"]["seconds"] > before + 3)
        terminal.go_on()
        terminal.process.send_signal(SIGTERM)
    finally:
        status = terminal.end()
    assert status == 0, terminal.everything()
    probe.assert_identity(json.loads(report.read_text()))
