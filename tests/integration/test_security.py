"""The direct producer against Apache Kafka with SASL and TLS, and what is said when they do not fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ports import pick
from support import numbered, secret_places, topics
from support.data_plane import FakeDataPlane, Log, control, failure
from support.live import wait_until
from support.probe import Run, assert_books_close, capture, fastcapa, property_words
from support.reset_proxy import ResetProxy
from support.secured import PASSWORD, SESSION_MS, USER, Secured, secured, set_password

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
    words = property_words(properties)
    report = capture(kafka.address(listener), name, "-r", str(path), "--producer", "direct", *words)
    assert report["producer"] == "direct"
    assert report["kafka"]["delivered"] == FRAMES
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(FRAMES))


def _failure(topic: str, properties: dict[str, str]) -> str:
    """What the control side says when it cannot prepare, which is no secret."""
    text = failure(topic, properties)
    assert PASSWORD not in text
    assert "hunter2" not in text
    return text


def test_a_wrong_password(kafka: Secured, topic: str) -> None:
    for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        text = _failure(topic, _properties(kafka, "SASL") | _sasl(mechanism, "hunter2"))
        assert text.startswith(f"broker {kafka.address('SASL')}: Authentication failed")
        assert text.endswith(f"(SASL {mechanism}); check sasl.username and sasl.password")


def test_the_probe_ends_with_one_line_and_few_attempts(kafka: Secured, topic: str, tmp_path: Path) -> None:
    """Whichever producer it would have: the supervisor asks first, and nothing has started then."""
    path = numbered.write(tmp_path / "frames.pcap", 10)
    cases: dict[str, tuple[str, dict[str, str], str]] = {
        "password, PLAIN": ("SASL", _sasl("PLAIN", "hunter2"), "Authentication failed"),
        "password, SCRAM": ("SASL", _sasl("SCRAM-SHA-512", "hunter2"), "Authentication failed"),
        "authority": ("TLS", {"ssl.ca.location": str(kafka.stranger)}, "certificate verify failed"),
        "host": ("OTHERHOST", {}, "certificate verify failed"),
        "expired": ("EXPIRED", {}, "certificate verify failed"),
        "none of ours": ("MUTUAL", {}, "alert "),
    }

    def attempt(name: str) -> tuple[Run, int]:
        listener, wrong, _ = cases[name]
        target = int(kafka.address(listener).rpartition(":")[2])
        (port,) = pick("127.0.0.1", 1)
        properties = _properties(kafka, listener) | wrong | {"bootstrap.servers": f"127.0.0.1:{port}"}
        if (password := properties.pop("sasl.password", None)) is not None:
            (tmp_path / name).write_text(password)
            properties["sasl.password.file"] = str(tmp_path / name)
        words = property_words(properties)
        producer = ("--producer", "librdkafka" if listener == "SASL" else "direct")
        with ResetProxy("127.0.0.1", {port: target}) as proxy:
            run = fastcapa("capture", "-t", topic, "-r", str(path), "--oversubscribe", *producer, *words)
        return run, proxy.connections

    with ThreadPoolExecutor(len(cases)) as pool:
        ends = dict(zip(cases, pool.map(attempt, cases), strict=True))
    for name, (run, connections) in ends.items():
        assert run.status == 1
        (line,) = run.stderr.splitlines()
        assert cases[name][2] in line, (name, line)
        assert "hunter2" not in line
        # The client tries three times a second until it is seen that this will not get better, not for ten seconds.
        assert " within 10 s" not in line
        assert 1 <= connections <= 12, (name, connections)


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


# What librdkafka alone takes makes it the producer; each way to give a secret is in one of the two.
def _ways_of_direct(directory: Path) -> tuple[list[str], dict[str, str]]:
    toml, password = directory / "tap.toml", directory / "password"
    password.write_text(f"{PASSWORD}\n")
    toml.write_text(f'[properties]\nsasl.password.file = "{password}"\nssl.key.password = "planted-in-toml"\n')
    return ["--config", str(toml)], {"FASTCAPA_METRICS_TOKEN": "planted-token-in-variable"}


def _ways_of_librdkafka(directory: Path) -> tuple[list[str], dict[str, str]]:
    ini, token = directory / "kafka.ini", directory / "token"
    ini.write_text("[kafka-global]\nssl.keystore.password = planted-in-ini\n")
    token.write_text("planted-token-in-file\n")
    options = ["-F", str(ini), "--metrics-token-file", str(token), "-X", "ssl.key.password=planted-in-option"]
    # All that the library has to say, which is a lot.
    options += ["-X", "sasl.password.env=FC_PASSWORD", "-X", "debug=all", "--log-format", "json"]
    return options, {"FC_PASSWORD": PASSWORD}


@pytest.mark.parametrize("ways", [_ways_of_direct, _ways_of_librdkafka])
def test_secrets_are_nowhere_to_be_seen(
    kafka: Secured, tmp_path: Path, ways: Callable[[Path], tuple[list[str], dict[str, str]]]
) -> None:
    producer = ways.__name__.removeprefix("_ways_of_")
    name = topics.create(kafka.cluster.bootstrap, partitions=1)
    given, variables = ways(tmp_path)
    properties = _properties(kafka, "SASL") | _sasl("PLAIN")
    del properties["sasl.password"]
    options = property_words(properties)
    token = variables.get("FASTCAPA_METRICS_TOKEN", "planted-token-in-file")
    with secret_places.running(tmp_path, "-t", name, "--restart", *options, *given, **variables) as probe:
        seen = probe.places(token)
        probe.send(range(10))
        wait_until(lambda: probe.metric("fastcapa_kafka_delivered_total", token) == 10)
        probe.hang_up()
        probe.abort_engine()  # a new one has its secrets, though the variables are gone
        seen |= probe.places(token, of="the second engine")
        probe.send(range(10, 20))
        wait_until(lambda: probe.metric("fastcapa_kafka_delivered_total", token) >= 10)
        report = probe.stop()
    assert report["producer"] == producer
    assert (report["restarts"], report["kafka"]["delivered"]) == (1, 20)
    assert_books_close(report)
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(20))
    seen |= probe.written()
    seen |= {"--check": probe.check(**variables)}
    assert b"sasl.password" in seen["--check"]
    assert producer == "direct" or b"SASL" in seen["standard error"]  # it did talk
    needles = [b"planted-", PASSWORD[:12].encode()]
    assert not [(place, needle) for place, content in seen.items() for needle in needles if needle in content]
    assert not list(probe.directory.glob("core*"))


def test_a_password_that_is_changed_is_read_again(kafka: Secured, tmp_path: Path) -> None:
    name = topics.create(kafka.cluster.bootstrap, partitions=1)
    password, token = tmp_path / "password", "a-token-for-the-metrics"
    password.write_text("the first one\n")
    set_password(kafka.cluster, "carol", "the first one")
    properties = _properties(kafka, "SHORT") | {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "carol"}
    words = property_words(properties | {"sasl.password.file": str(password)})
    with secret_places.running(tmp_path, "-t", name, *words, FASTCAPA_METRICS_TOKEN=token) as probe:
        probe.send(range(10))
        wait_until(lambda: probe.metric("fastcapa_kafka_delivered_total", token) == 10)
        set_password(kafka.cluster, "carol", "the second one")
        password.write_text("the second one\n")
        probe.hang_up()
        # Sessions that the first one has opened are over then. (One that ended between the change and the signal was
        # opened anew in vain, which may be said.)
        time.sleep(1.5 * SESSION_MS / 1e3)
        probe.send(range(10, 20))
        wait_until(lambda: probe.metric("fastcapa_kafka_delivered_total", token) == 20)
        said = probe.stderr()
        report = probe.stop()
    assert "the credentials for Kafka are read again" in said
    assert (report["kafka"]["delivered"], report["kafka"]["failed"]) == (20, 0)
    assert_books_close(report)
    assert numbered.numbers(kafka.cluster.bootstrap, name) == list(range(20))
