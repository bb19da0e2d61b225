"""What the direct producer makes of librdkafka's properties, and which of them it leaves to librdkafka."""

import socket
from typing import Any

import pytest

from fastcapa.capture import choose_producer
from fastcapa.config import validate
from fastcapa.errors import UsageError
from fastcapa.kafka import description, kerberos
from fastcapa.kafka.address import Address
from fastcapa.kafka.direct import DirectSettings, NotDirect, connection_settings, direct_settings
from fastcapa.kafka.security import KerberosSettings, SaslSettings, Security, TlsSettings

BROKERS = {"bootstrap.servers": "a:1,[::1]:2, c ,a:1"}
SASL = {"security.protocol": "sasl_plaintext", "sasl.username": "u", "sasl.password": "hunter2"}


def settings(**properties: str) -> DirectSettings:
    return direct_settings(BROKERS | {key.replace("_", "."): value for key, value in properties.items()})


def test_defaults_are_librdkafkas() -> None:
    made = settings()
    assert made.bootstrap == (Address("a", 1), Address("::1", 2), Address("c", 9092))
    assert made.security == Security()
    assert (made.codec, made.codec_level, made.linger_us) == ("none", 0, 5000)
    assert (made.batch_bytes_max, made.message_bytes_max) == (1_000_000, 1_000_000)
    assert (made.request_timeout_ms, made.delivery_timeout_ms) == (30_000, 300_000)
    assert (made.retry_backoff_ms, made.retry_backoff_max_ms) == (100, 1000)
    assert (made.reconnect_backoff_ms, made.reconnect_backoff_max_ms) == (100, 10_000)
    assert made.metadata_refresh_s == 300
    assert made.family is socket.AF_UNSPEC


def test_values_and_their_other_names() -> None:
    made = settings(
        **{
            "queue.buffering.max.ms": "0.25",
            "compression.codec": "ZSTD",
            "compression.level": "7",
            "batch.size": "0x10000",
            "message.max.bytes": "20000",
            "delivery.timeout.ms": "0",
            "broker.address.family": "v6",
            "topic.metadata.refresh.interval.ms": "-1",
            "client.id": "probe 7",
            "acks": "-1",
            "enable.idempotence": "true",
            "max.in.flight": "1",
            "group.id": "of the reader",
        }
    )
    assert (made.linger_us, made.codec, made.codec_level, made.produce_version_min) == (250, "zstd", 7, 7)
    assert (made.batch_bytes_max, made.message_bytes_max, made.delivery_timeout_ms) == (20_000, 20_000, 0)
    assert (made.family, made.metadata_refresh_s, made.client_id) == (socket.AF_INET6, None, "probe 7")


def test_security_is_what_the_protocol_uses() -> None:
    tls = {"ssl.ca.location": "ca.pem", "ssl.key.password": "hunter2", "enable.ssl.certificate.verification": "false"}
    assert settings(**tls).security == Security()
    made = direct_settings(BROKERS | SASL | tls | {"security.protocol": "SASL_SSL", "sasl.mechanisms": "scram-sha-512"})
    assert made.security.sasl == SaslSettings("SCRAM-SHA-512", "u", "hunter2")
    assert made.security.tls == TlsSettings(authorities="ca.pem", key_password="hunter2", verify=False)  # noqa: S106
    assert "hunter2" not in repr(made)
    probe = direct_settings(BROKERS | {"security.protocol": "ssl", "ssl.ca.location": "probe"})
    assert probe.security.tls == TlsSettings()


REFUSED = [
    ("acks", "1"),
    ("acks", "0"),
    ("enable.idempotence", "false"),
    ("compression.type", "gzip"),
    ("compression.type", "snappy"),
    ("max.in.flight.requests.per.connection", "6"),
    ("retries", "3"),
    ("batch.size", "16383"),
    ("message.timeout.ms", "5"),
    ("batch.num.messages", "7"),
    ("queue.buffering.max.kbytes", "1000"),
    ("socket.nagle.disable", "false"),
    ("socket.keepalive.enable", "false"),
    ("sticky.partitioning.linger.ms", "10"),
    ("ssl.keystore.location", "x"),
    ("plugin.library.paths", "x"),
    ("bootstrap.servers", "SSL://a:1"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_it_does_not_do_is_named(name: str, value: str) -> None:
    with pytest.raises(NotDirect) as error:
        direct_settings(BROKERS | {name: value})
    assert str(error.value).startswith(f"Kafka property '{name}': ")


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        (SASL | {"sasl.mechanism": "OAUTHBEARER"}, "'sasl.mechanism': OAUTHBEARER"),
        (SASL | {"sasl.mechanism": "PLAIN", "sasl.password": ""}, "'sasl.password': PLAIN needs it"),
    ],
)
def test_security_that_needs_librdkafka(properties: dict[str, str], words: str) -> None:
    with pytest.raises(NotDirect) as error:
        direct_settings(BROKERS | properties)
    assert words in str(error.value)
    assert "hunter2" not in str(error.value)


def test_kerberos(monkeypatch: pytest.MonkeyPatch) -> None:
    """GSSAPI is librdkafka's default mechanism, and its package is optional."""
    monkeypatch.setattr(kerberos, "installed", lambda: True)
    plain = {"security.protocol": "sasl_plaintext"}
    made = direct_settings(BROKERS | plain)
    assert made.security.sasl == SaslSettings("GSSAPI", "", "", KerberosSettings("kafka", None, None))
    more = {"sasl.kerberos.keytab": "k", "sasl.kerberos.principal": "p", "sasl.kerberos.service.name": "s"}
    made = direct_settings(BROKERS | plain | more)
    assert made.security.sasl == SaslSettings("GSSAPI", "", "", KerberosSettings("s", "k", "p"))
    with pytest.raises(NotDirect, match=r"'sasl\.kerberos\.kinit\.cmd': no command is run for tickets"):
        direct_settings(BROKERS | plain | {"sasl.kerberos.kinit.cmd": "kinit me"})
    with pytest.raises(NotDirect, match=r"'sasl\.kerberos\.min\.time\.before\.relogin': "):
        direct_settings(BROKERS | plain | {"sasl.kerberos.min.time.before.relogin": "1000"})
    monkeypatch.setattr(kerberos, "installed", lambda: False)
    with pytest.raises(NotDirect, match=r"'sasl\.mechanism': GSSAPI needs the Python package gssapi: pip install"):
        direct_settings(BROKERS | plain)
    # Whoever connects with other words for a producer connects all the same.
    with pytest.raises(NotDirect, match="GSSAPI"):
        connection_settings(BROKERS | plain | {"acks": "1"})
    assert connection_settings(BROKERS | SASL | {"sasl.mechanism": "PLAIN", "acks": "1"}).security.sasl is not None


@pytest.mark.parametrize(
    ("properties", "needed"),
    [
        ({}, False),
        ({"sasl.mechanism": "GSSAPI"}, False),  # and no SASL
        ({"security.protocol": "SASL_SSL"}, True),
        ({"security.protocol": "sasl_ssl", "sasl.mechanisms": "gssapi"}, True),
        ({"security.protocol": "sasl_ssl", "sasl.mechanisms": "PLAIN"}, False),
    ],
)
def test_who_describes_the_topic(properties: dict[str, str], needed: bool) -> None:
    assert description.needed(properties) == needed


def _config(producer: str, **properties: str) -> Any:
    sources = [{"kind": "read", "name": "a.pcap"}]
    return validate({"sources": sources, "topic": "t", "properties": BROKERS | properties, "producer": producer})


def test_auto_takes_direct_wherever_it_can() -> None:
    assert choose_producer(_config("auto")) == ("direct", "")
    assert choose_producer(_config("direct")) == ("direct", "")
    assert choose_producer(_config("librdkafka")) == ("librdkafka", "")
    taken, why = choose_producer(_config("auto", retries="3"))
    assert taken == "librdkafka"
    assert why == " (Kafka property 'retries': the direct producer tries again until message.timeout.ms)"


def test_direct_by_name_is_refused_with_the_property() -> None:
    with pytest.raises(UsageError, match=r"--producer direct: Kafka property 'retries': .*--producer librdkafka"):
        choose_producer(_config("direct", retries="3"))


def test_no_secret_in_a_configuration_that_is_printed() -> None:
    assert "hunter2" not in repr(_config("auto", **SASL))
