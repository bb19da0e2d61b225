"""The direct producer against Apache Kafka with SASL and TLS, and what is said when they do not fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import numbered, topics
from support.data_plane import FakeDataPlane, Log, control
from support.live import wait_until
from support.probe import capture, fastcapa
from support.secured import PASSWORD, SESSION_MS, USER, Secured, secured

from fastcapa.errors import RunTimeError
from fastcapa.kafka.address import Address
from fastcapa.kafka.connection import NotTrusted
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import direct_settings

FRAMES = 2000


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("secured")) as made:
        yield made


@pytest.fixture(scope="module")
def topic(kafka: Secured) -> str:
    return topics.create(kafka.cluster.bootstrap, partitions=2)


def _sasl(mechanism: str, password: str = PASSWORD) -> dict[str, str]:
    user = "bob" if mechanism == "PLAIN" else USER
    return {"sasl.mechanism": mechanism, "sasl.username": user, "sasl.password": password}


def _client_certificate(kafka: Secured) -> dict[str, str]:
    return {
        "ssl.certificate.location": str(kafka.client),
        "ssl.key.location": str(kafka.encrypted_key),
        "ssl.key.password": PASSWORD,
    }


def _properties(kafka: Secured, listener: str) -> dict[str, str]:
    """What a client needs for a listener, besides SASL's own."""
    protocol = kafka.cluster.listeners[listener]
    properties = {"bootstrap.servers": kafka.address(listener), "security.protocol": protocol}
    return properties | ({"ssl.ca.location": str(kafka.authority)} if "SSL" in protocol else {})


@pytest.mark.parametrize(
    ("listener", "mechanism"),
    [
        ("SASL", "PLAIN"),
        ("SASL", "SCRAM-SHA-256"),
        ("SASL", "SCRAM-SHA-512"),
        ("TLS", None),
        ("MUTUAL", None),
        ("SASLTLS", "SCRAM-SHA-512"),
    ],
)
def test_every_frame_arrives(kafka: Secured, tmp_path: Path, listener: str, mechanism: str | None) -> None:
    name = topics.create(kafka.cluster.bootstrap, partitions=2)
    path = numbered.write(tmp_path / "frames.pcap", FRAMES)
    properties = _properties(kafka, listener)
    properties |= _sasl(mechanism) if mechanism else {}
    properties |= _client_certificate(kafka) if listener == "MUTUAL" else {}
    words = [word for key, value in properties.items() for word in ("-X", f"{key}={value}")]
    report = capture(kafka.address(listener), name, "-r", str(path), "--producer", "direct", *words)
    assert report["producer"] == "direct"
    assert report["kafka"]["delivered"] == FRAMES
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(FRAMES))


def _failure(topic: str, properties: dict[str, str]) -> str:
    """What the control side says when it cannot prepare."""
    log = Log()
    began = time.monotonic()
    with pytest.raises(RunTimeError) as error:
        control(FakeDataPlane(), log, topic, properties).prepare()
    assert time.monotonic() - began < 12
    assert log.lines == []
    text = str(error.value)
    assert "\n" not in text
    assert PASSWORD not in text
    assert "hunter2" not in text
    return text


def test_a_wrong_password(kafka: Secured, topic: str) -> None:
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        text = _failure(topic, _properties(kafka, "SASL") | _sasl(mechanism, "hunter2"))
        assert text.startswith(f"broker {kafka.address('SASL')}: Authentication failed")
        assert text.endswith(f"(SASL {mechanism}); check sasl.username and sasl.password")


def test_the_probe_ends_with_one_line_for_a_wrong_password(kafka: Secured, topic: str, tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "frames.pcap", 10)
    properties = _properties(kafka, "SASL") | _sasl("PLAIN", "hunter2")
    words = [word for key, value in properties.items() for word in ("-X", f"{key}={value}")]
    run = fastcapa("capture", "-t", topic, "-r", str(path), "--oversubscribe", *words)
    assert run.status == 1
    (line,) = run.stderr.splitlines()
    assert "Authentication failed" in line
    assert "hunter2" not in line


def test_a_wrong_authority(kafka: Secured, topic: str) -> None:
    properties = _properties(kafka, "TLS") | {"ssl.ca.location": str(kafka.stranger)}
    assert "its certificate is not accepted: unable to get local issuer certificate" in _failure(topic, properties)


def test_a_certificate_for_another_host(kafka: Secured, topic: str) -> None:
    properties = _properties(kafka, "OTHERHOST")
    assert "its certificate is for another host (IP address mismatch)" in _failure(topic, properties)
    port = kafka.address("OTHERHOST").rpartition(":")[2]
    properties["bootstrap.servers"] = f"localhost:{port}"
    assert "its certificate is for another host (hostname mismatch)" in _failure(topic, properties)
    properties["ssl.endpoint.identification.algorithm"] = "none"
    control(FakeDataPlane(), Log(), topic, properties).prepare()


def test_an_expired_certificate(kafka: Secured, topic: str) -> None:
    properties = _properties(kafka, "EXPIRED")
    assert "its certificate is not accepted: certificate has expired" in _failure(topic, properties)
    properties["enable.ssl.certificate.verification"] = "false"
    control(FakeDataPlane(), Log(), topic, properties).prepare()


def test_a_certificate_that_is_not_accepted_is_no_passing_failure(kafka: Secured) -> None:
    """What it is said as, and how soon there is another try, depends on that."""
    for listener in ("EXPIRED", "OTHERHOST"):
        dialer = Dialer(direct_settings(_properties(kafka, listener)), lambda: False)
        with pytest.raises(NotTrusted):
            dialer.dial(Address.parse(kafka.address(listener)))


def test_no_client_certificate(kafka: Secured, topic: str) -> None:
    assert "TLS" in (text := _failure(topic, _properties(kafka, "MUTUAL")))
    assert "certificate" in text


def test_tls_on_a_port_without_and_the_other_way_round(kafka: Secured, topic: str) -> None:
    properties = _properties(kafka, "TLS") | {"bootstrap.servers": kafka.cluster.bootstrap}
    assert "is its port one for TLS?" in _failure(topic, properties)
    text = _failure(topic, {"bootstrap.servers": kafka.address("TLS")})
    assert "security.protocol" in text


def test_a_mechanism_that_the_broker_has_not(kafka: Secured, topic: str) -> None:
    properties = {"bootstrap.servers": kafka.cluster.bootstrap, "security.protocol": "SASL_PLAINTEXT"}
    assert "has no SASL on this port" in _failure(topic, properties | _sasl("PLAIN"))


def test_a_session_is_renewed_before_it_ends(kafka: Secured, topic: str) -> None:
    plane, log = FakeDataPlane(), Log()
    side = control(plane, log, topic, _properties(kafka, "SHORT") | _sasl("SCRAM-SHA-256"))
    side.prepare()
    side.start()
    began = time.monotonic()
    try:
        plane.need_connection(0, 1)
        wait_until(lambda: len(plane.connections.get((0, 1), ())) >= 4, timeout=30)
    finally:
        side.stop()
    # The first at once, then one for each session, 80 to 90 % of it after the one before.
    assert 2 * SESSION_MS / 1000 < time.monotonic() - began < 3.5 * SESSION_MS / 1000
    assert log.lines == []


def test_new_credentials_make_new_connections_and_wrong_ones_leave_the_old(
    kafka: Secured, topic: str, tmp_path: Path
) -> None:
    plane, log = FakeDataPlane(), Log()
    properties = _properties(kafka, "SASLTLS")
    side = control(plane, log, topic, properties | _sasl("PLAIN"))
    side.prepare()
    side.start()
    made = plane.connections
    try:
        plane.need_connection(0, 1)
        wait_until(lambda: len(made.get((0, 1), ())) == 1)
        side.use(direct_settings(properties | _sasl("SCRAM-SHA-256")))
        wait_until(lambda: len(made[0, 1]) == 2)
        assert log.lines == []
        side.use(direct_settings(properties | _sasl("PLAIN", "hunter2")))
        wait_until(lambda: any("Authentication failed" in line for line in log.lines))
        with pytest.raises(RunTimeError, match=r"none\.pem"):
            side.use(direct_settings(properties | _sasl("PLAIN") | {"ssl.ca.location": str(tmp_path / "none.pem")}))
        assert len(made[0, 1]) == 2
        side.use(direct_settings(properties | _sasl("PLAIN")))
        wait_until(lambda: len(made[0, 1]) == 3)
    finally:
        side.stop()
    assert not any("hunter2" in line for line in log.lines)
