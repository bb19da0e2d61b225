"""SIGHUP: what is read again, what of it changes now, and what is said."""

from __future__ import annotations

from typing import Any

from fastcapa.config import CaptureConfig, validate
from fastcapa.configuration.layers import Origins
from fastcapa.errors import UsageError
from fastcapa.log import Logger
from fastcapa.reload import Reload

SASL = {
    "bootstrap.servers": "b:9092",
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "PLAIN",
    "sasl.username": "me",
    "sasl.password": "hunter2",
}
RESTART = "fastcapa: configuration read again: restart the probe for what else has changed: "
PLAIN = {"bootstrap.servers": "b:9092"}


def config(properties: dict[str, str] = PLAIN, **values: Any) -> CaptureConfig:
    source = {"kind": "interface", "name": "eth1"}
    return validate({"sources": [source], "topic": "t", "properties": properties, **values})


class Run:
    """A probe that runs, whose configuration is another one each time that it is read."""

    def __init__(self, first: CaptureConfig) -> None:
        self.lines: list[str] = []
        self.wanted = first
        log = Logger(write=self.lines.append)
        self.results: list[bool] = []
        self._reload = Reload(first, lambda: (self.wanted, Origins()), log, self.results.append)

    def hup(self, wanted: CaptureConfig) -> dict[str, Any]:
        self.wanted = wanted
        self.lines.clear()
        return self._reload()


def test_nothing_new_is_said_too() -> None:
    run = Run(config())
    assert run.hup(config()) == {}
    assert run.lines == ["fastcapa: configuration read again: nothing is new"]


def test_the_log_changes_at_once() -> None:
    run = Run(config())
    assert run.hup(config(log_level="error", log_format="json")) == {}
    assert run.lines == []  # notices are no longer wanted
    run.hup(config())
    assert [line.removeprefix("fastcapa: configuration read again: ") for line in run.lines] == [
        "log-format is text",
        "log-level is info",
    ]


def test_filter_and_snaplen_go_to_the_engine_together() -> None:
    run = Run(config())
    assert run.hup(config(filter="udp port 53")) == {"filter": "udp port 53", "snaplen": 262_144}
    assert run.lines == ["fastcapa: configuration read again: filter becomes udp port 53"]
    assert run.hup(config(filter="udp port 53", snaplen=96)) == {"filter": "udp port 53", "snaplen": 96}
    assert run.hup(config(snaplen=96)) == {"filter": "", "snaplen": 96}
    assert run.lines == ["fastcapa: configuration read again: filter becomes none: all packets"]
    assert run.hup(config(snaplen=96)) == {}
    assert run.results == [True] * 4


def test_what_needs_a_restart_is_named_each_time_in_one_line_and_its_secret_is_not() -> None:
    run = Run(config())
    wanted = config({**PLAIN, "linger.ms": "7"}, rx_queues=2, promiscuous=False)
    for _ in range(2):
        assert run.hup(wanted) == {}
        assert run.lines == [f"{RESTART}rx-queues, promiscuous-mode, Kafka property 'linger.ms'"]


def test_credentials_go_to_the_engine_and_nothing_else_of_the_properties() -> None:
    run = Run(config(SASL))
    command = run.hup(config({**SASL, "sasl.password": "new", "linger.ms": "7"}))
    assert command == {"properties": {**SASL, "sasl.password": "new"}}
    assert "fastcapa: configuration read again: the credentials for Kafka are read again" in run.lines
    assert f"{RESTART}Kafka property 'linger.ms'" in run.lines
    assert not any("sasl.password" in line or "new" in line.split() for line in run.lines)
    # Files that they name may be others although their names are the same.
    assert run.hup(config({**SASL, "sasl.password": "new"})) == {"properties": {**SASL, "sasl.password": "new"}}
    # Removing TLS or SASL is another thing.
    run.hup(config(PLAIN))
    assert any(line.startswith(RESTART) and "'security.protocol'" in line for line in run.lines)


def test_librdkafka_keeps_its_credentials() -> None:
    run = Run(config(SASL, producer="librdkafka"))
    assert run.hup(config({**SASL, "sasl.password": "new"}, producer="librdkafka")) == {}
    assert run.lines == [f"{RESTART}Kafka property 'sasl.password'"]


def test_a_configuration_that_is_wrong_changes_nothing() -> None:
    lines: list[str] = []

    def read() -> tuple[CaptureConfig, Origins]:
        raise UsageError("tap.toml:3: unknown key x")

    assert Reload(config(), read, Logger(write=lines.append))() == {}
    assert lines == ["fastcapa: the configuration is not taken, all stays as it is: tap.toml:3: unknown key x"]
    run = Run(config(producer="direct"))
    assert run.hup(config({**PLAIN, "compression.type": "gzip"}, producer="direct", log_level="error")) == {}
    assert "all stays as it is" in run.lines[0]
    assert run.hup(config(filter="udp prot")) == {}
    assert run.lines[0].startswith("fastcapa: the configuration is not taken, all stays as it is: filter 'udp prot': ")
    assert run.results == [False, False]
