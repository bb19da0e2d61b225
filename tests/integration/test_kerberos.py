"""Kerberos against Apache Kafka: both producers with a keytab, and what is said when there is no ticket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import numbered, topics
from support.brokers import Cluster, broker
from support.data_plane import FakeDataPlane, Log, control, failure
from support.kerberos import CLIENT, REALM, Kdc, kdc
from support.live import wait_until
from support.need import need
from support.probe import capture, fastcapa, property_words

from fastcapa.kafka import kerberos

FRAMES = 2000
SESSION_MS = 1500


@dataclass
class Realm:
    """A KDC, a broker that it knows, and a client of both."""

    kdc: Kdc
    cluster: Cluster
    keytab: Path

    def properties(self, listener: str = "KERBEROS", **more: str) -> dict[str, str]:
        """What a client needs; `_` in a name stands for `.`."""
        given = {"bootstrap.servers": self.cluster.address(listener), "security.protocol": "SASL_PLAINTEXT"}
        given |= {"sasl.mechanism": "GSSAPI", "sasl.kerberos.keytab": str(self.keytab)}
        return given | {name.replace("_", "."): value for name, value in more.items()}


def _listener(name: str, keytab: Path, session_ms: int = 0) -> dict[str, str]:
    module = "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true"
    prefix = f"listener.name.{name.lower()}"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "GSSAPI",
        f"{prefix}.sasl.kerberos.service.name": "kafka",
        f"{prefix}.gssapi.sasl.jaas.config": f'{module} keyTab="{keytab}" principal="kafka/127.0.0.1@{REALM}";',
        f"{prefix}.gssapi.connections.max.reauth.ms": str(session_ms),
    }


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    need(kerberos.installed(), kerberos.NOT_INSTALLED)
    directory = tmp_path_factory.mktemp("kerberos")
    with kdc(directory / "kdc") as center:
        service = center.principal("kafka/127.0.0.1")
        # Tickets for some seconds: a client that goes on for longer needs new ones.
        client = center.principal(CLIENT, "-maxlife", "4sec")
        config = _listener("KERBEROS", service) | _listener("SHORT", service, SESSION_MS)
        java = f"JAVA_TOOL_OPTIONS=-Djava.security.krb5.conf={center.krb5_conf}"
        listeners = {"KERBEROS": "SASL_PLAINTEXT", "SHORT": "SASL_PLAINTEXT"}
        with broker(directory / "kafka", config=config, listeners=listeners, prefix_command=("env", java)) as cluster:
            yield Realm(center, cluster, client)


@pytest.fixture(scope="module")
def topic(kafka: Realm) -> str:
    return topics.create(kafka.cluster.bootstrap, partitions=2)


@pytest.fixture(autouse=True)
def _environment(kafka: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'tickets'}")  # librdkafka's kinit writes there
    for name, value in kafka.kdc.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_every_frame_arrives(kafka: Realm, tmp_path: Path, producer: str) -> None:
    name = topics.create(kafka.cluster.bootstrap, partitions=2)
    path = numbered.write(tmp_path / "frames.pcap", FRAMES)
    more = {} if producer == "direct" else {"sasl.kerberos.principal": CLIENT}  # which kinit wants to be told
    options = ("-r", str(path), "--producer", producer, *property_words(kafka.properties(**more)))
    report = capture(kafka.cluster.address("KERBEROS"), name, *options)
    assert (report["producer"], report["kafka"]["delivered"]) == (producer, FRAMES)
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(FRAMES))


def test_the_direct_producer_is_chosen_and_takes_tickets_that_are_there(
    kafka: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = topics.create(kafka.cluster.bootstrap, partitions=2)
    path = numbered.write(tmp_path / "frames.pcap", FRAMES)
    keytab = kafka.kdc.principal("walker")
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{kafka.kdc.tickets(keytab, 'walker')}")
    properties = kafka.properties()
    del properties["sasl.kerberos.keytab"]
    report = capture(kafka.cluster.address("KERBEROS"), name, "-r", str(path), *property_words(properties))
    assert (report["producer"], report["kafka"]["delivered"]) == ("direct", FRAMES)
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(FRAMES))


def test_a_wrong_keytab(kafka: Realm, topic: str) -> None:
    keytab = kafka.kdc.principal("turncoat")
    old = kafka.kdc.change_key("turncoat", keytab)
    text = failure(topic, kafka.properties(sasl_kerberos_keytab=str(old)))
    assert "no Kerberos ticket: Decrypt integrity check failed" in text
    assert f"check the keytab {old}" in text


def test_no_keytab_of_that_name(kafka: Realm, topic: str, tmp_path: Path) -> None:
    text = failure(topic, kafka.properties(sasl_kerberos_keytab=str(tmp_path / "none.keytab")))
    assert "no Kerberos ticket: " in text
    assert "none.keytab" in text


def test_another_principal_than_the_keytab_has(kafka: Realm, topic: str) -> None:
    text = failure(topic, kafka.properties(sasl_kerberos_principal="somebody"))
    assert "no Kerberos ticket: " in text
    assert str(kafka.keytab) in text


def _line(kafka: Realm, topic: str, directory: Path, *arguments: str) -> str:
    """The one line that the probe ends with when it takes the tickets of the environment."""
    path = numbered.write(directory / "frames.pcap", 10)
    properties = kafka.properties()
    del properties["sasl.kerberos.keytab"]
    run = fastcapa("capture", "-t", topic, "-r", str(path), "--oversubscribe", *arguments, *property_words(properties))
    assert run.status == 1
    (line,) = run.stderr.splitlines()
    return line


def test_no_ticket(kafka: Realm, topic: str, tmp_path: Path) -> None:
    line = _line(kafka, topic, tmp_path)
    assert "no Kerberos ticket: No Kerberos credentials available" in line
    assert "check klist" in line


def test_an_expired_ticket(kafka: Realm, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keytab = kafka.kdc.principal("sleeper")
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{kafka.kdc.tickets(keytab, 'sleeper', '-l', '1s')}")
    time.sleep(2.5)  # its life, in whole seconds
    assert "no Kerberos ticket: Ticket expired" in _line(kafka, topic, tmp_path, "--producer", "librdkafka")


def test_a_wrong_service_name(kafka: Realm, topic: str) -> None:
    text = failure(topic, kafka.properties(sasl_kerberos_service_name="kafak"))
    assert "no Kerberos ticket: Server kafak/127.0.0.1@FASTCAPA.TEST not found in Kerberos database" in text
    assert "check" in text
    assert "sasl.kerberos.service.name" in text


def test_tickets_are_renewed_and_a_kdc_that_is_down_is_said_once(kafka: Realm, topic: str) -> None:
    plane, log = FakeDataPlane(), Log()
    side = control(plane, log, topic, kafka.properties("SHORT"))
    side.prepare()
    side.start()
    made = plane.connections
    asked = kafka.kdc.log.read_text().count("AS_REQ")
    try:
        plane.need_connection(0, 1)
        # The session is over four times, the life of a ticket once.
        wait_until(lambda: len(made.get((0, 1), ())) >= 5, timeout=30)
        assert kafka.kdc.log.read_text().count("AS_REQ") > asked
        assert log.lines == []
        kafka.kdc.stop()
        wait_until(lambda: log.lines != [], timeout=30)
        time.sleep(2)  # in which it would be tried again and again
        assert len(log.lines) <= 2, log.lines  # of the broker, and of metadata
        for line in log.lines:
            # What there is still is tried: if it has ended, that is what the library complains of.
            assert "Cannot contact any KDC" in line or "no Kerberos ticket: Ticket expired" in line
            assert "and the KDC" in line
            assert "\n" not in line
    finally:
        kafka.kdc.start()
        side.stop()


def test_a_kdc_that_is_down_at_the_start(kafka: Realm, topic: str) -> None:
    kafka.kdc.stop()
    try:
        keytab = str(kafka.keytab)
        text = failure(topic, kafka.properties(sasl_kerberos_keytab=keytab, sasl_kerberos_principal=CLIENT))
    finally:
        kafka.kdc.start()
    assert "no Kerberos ticket: Cannot contact any KDC for realm 'FASTCAPA.TEST'" in text
    assert "the KDC" in text
