"""The direct producer's settings, out of the same librdkafka properties that the other producer gets.

A property that is not here, or a value that cannot be honoured, is not ignored: NotDirect names it, and
`--producer auto` then takes librdkafka. librdkafka has checked all values before (types, its own limits).
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from fastcapa.kafka import kerberos
from fastcapa.kafka.address import Address
from fastcapa.kafka.properties import BOOTSTRAP
from fastcapa.kafka.security import KerberosSettings, SaslSettings, Security, TlsSettings

CODECS = ("none", "lz4", "zstd")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI")
# Produce versions that brokers take zstd in (KIP-110).
ZSTD_PRODUCE_VERSION = 7
# Smaller ones would cost a request for some packets.
BATCH_BYTES_MIN = 16_384

# Other names for the same thing, as in librdkafka. The one given last wins.
_ALIASES = {
    "metadata.broker.list": BOOTSTRAP,
    "sasl.mechanisms": "sasl.mechanism",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
    "delivery.timeout.ms": "message.timeout.ms",
    "request.required.acks": "acks",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "message.send.max.retries": "retries",
}
# Of consumers: in a file that `fastcapa read` uses too they say nothing about us.
_CONSUMERS = frozenset(
    {
        "allow.auto.create.topics",
        "auto.commit.interval.ms",
        "auto.offset.reset",
        "check.crcs",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.partition.eof",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "fetch.min.bytes",
        "fetch.wait.max.ms",
        "group.id",
        "group.instance.id",
        "isolation.level",
        "max.partition.fetch.bytes",
        "max.poll.interval.ms",
        "queued.max.messages.kbytes",
        "queued.min.messages",
        "session.timeout.ms",
    }
)
_REMEDIES = {
    "queue.buffering.max.messages": "the direct producer's limit is --buffer-memory",
    "queue.buffering.max.kbytes": "the direct producer's limit is --buffer-memory",
    "sasl.kerberos.min.time.before.relogin": "the Kerberos library knows itself when tickets end",
    "batch.num.messages": "the direct producer's batches end by batch.size and linger.ms",
}
_FAMILIES = {"any": socket.AF_UNSPEC, "v4": socket.AF_INET, "v6": socket.AF_INET6}
_RETRIES_WITHOUT_LIMIT = 2**31 - 1
_SECURITY = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.cipher.suites",
    "ssl.endpoint.identification.algorithm",
    "enable.ssl.certificate.verification",
    "sasl.mechanism",
    "sasl.username",
    "sasl.password",
    "sasl.kerberos.service.name",
    "sasl.kerberos.principal",
    "sasl.kerberos.keytab",
)
CREDENTIALS = frozenset({*_SECURITY, "sasl.mechanisms"})
"""Properties whose values, and files, can change while connections are there: it is the next ones that take them."""
_REACHING = (
    BOOTSTRAP,
    "metadata.broker.list",
    "security.protocol",
    "client.id",
    "broker.address.family",
    "socket.connection.setup.timeout.ms",
    "socket.timeout.ms",
)
# Slower than this, a broker is as good as away; the next one may answer.
_TIMEOUT_MS = 10_000


class NotDirect(Exception):
    """What the direct producer cannot do; the message names property and reason, no secret."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"Kafka property '{name}': {why}")


@dataclass(frozen=True)
class DirectSettings:
    """Everything the direct producer is told, in C and in Python. Times in the unit of their names."""

    bootstrap: tuple[Address, ...]
    security: Security
    client_id: str
    family: socket.AddressFamily
    codec: str
    codec_level: int
    """0: the codec's default."""
    linger_us: int
    batch_bytes_max: int
    message_bytes_max: int
    """A single packet may be larger than `batch_bytes_max`, not than this; a topic may take less."""
    request_timeout_ms: int
    delivery_timeout_ms: int
    """0: never."""
    retry_backoff_ms: int
    retry_backoff_max_ms: int
    reconnect_backoff_ms: int
    reconnect_backoff_max_ms: int
    connect_timeout_s: float
    socket_timeout_s: float
    """For a broker's answer to one of the control side's requests."""
    send_buffer_bytes: int
    """SO_SNDBUF; 0: the kernel's choice, which grows with the connection."""
    metadata_refresh_s: float | None
    """None: only when it is needed."""

    @property
    def produce_version_min(self) -> int:
        """The lowest version of Produce that will do."""
        return ZSTD_PRODUCE_VERSION if self.codec == "zstd" else 0


def direct_settings(properties: Mapping[str, str]) -> DirectSettings:
    """Return the settings; raise NotDirect."""
    given = _Properties(properties)
    _check_promises(given)
    codec = given.choice("compression.type", "none")
    if codec not in CODECS:
        raise NotDirect("compression.type", f"{codec} is not built in; {', '.join(CODECS)} are")
    level = given.number("compression.level", -1)
    message_bytes = given.number("message.max.bytes", 1_000_000)
    refresh_ms = given.number("topic.metadata.refresh.interval.ms", 300_000)
    settings = DirectSettings(
        security=_security(given),
        bootstrap=_bootstrap(given),
        client_id=given.text("client.id", "fastcapa"),
        family=_FAMILIES[given.choice("broker.address.family", "any")],
        codec=codec,
        codec_level=max(level, 0),
        linger_us=given.microseconds("linger.ms", "5"),
        batch_bytes_max=min(_batch_size(given), message_bytes),
        message_bytes_max=message_bytes,
        request_timeout_ms=given.number("request.timeout.ms", 30_000),
        delivery_timeout_ms=given.number("message.timeout.ms", 300_000),
        retry_backoff_ms=given.number("retry.backoff.ms", 100),
        retry_backoff_max_ms=given.number("retry.backoff.max.ms", 1_000),
        reconnect_backoff_ms=given.number("reconnect.backoff.ms", 100),
        reconnect_backoff_max_ms=given.number("reconnect.backoff.max.ms", 10_000),
        connect_timeout_s=given.number("socket.connection.setup.timeout.ms", _TIMEOUT_MS) / 1000,
        socket_timeout_s=given.number("socket.timeout.ms", _TIMEOUT_MS) / 1000,
        send_buffer_bytes=given.number("socket.send.buffer.bytes", 0),
        metadata_refresh_s=refresh_ms / 1000 if refresh_ms > 0 else None,
    )
    if 0 < 1000 * settings.delivery_timeout_ms <= settings.linger_us:
        raise NotDirect("message.timeout.ms", "it has to be longer than linger.ms, or nothing is sent in time")
    given.check_all_taken()
    return settings


def connection_settings(properties: Mapping[str, str]) -> DirectSettings:
    """Return what of the settings concerns connections, whatever producer there is; raises NotDirect."""
    ours = {*CREDENTIALS, *_REACHING}
    return direct_settings({name: value for name, value in properties.items() if name in ours})


class _Properties:
    """Properties by their first name, each taken once; what nobody took is what we do not know."""

    def __init__(self, properties: Mapping[str, str]) -> None:
        self._left = {_ALIASES.get(name, name): value for name, value in properties.items() if name not in _CONSUMERS}

    def given(self, name: str) -> bool:
        return name in self._left

    def text(self, name: str, default: str) -> str:
        return self._left.pop(name, default)

    def optional(self, name: str) -> str | None:
        return self._left.pop(name, None) or None  # an empty text unsets a property in librdkafka

    def choice(self, name: str, default: str) -> str:
        return self.text(name, default).lower()

    def number(self, name: str, default: int) -> int:
        return int(self.text(name, str(default)), 0)  # decimal, or 0x and hexadecimal

    def microseconds(self, name: str, default_ms: str) -> int:
        return round(float(self.text(name, default_ms)) * 1000)

    def truth(self, name: str, default: str) -> bool:
        return self.text(name, default) in ("true", "t", "1")

    def check_all_taken(self) -> None:
        for name in self._left:
            raise NotDirect(name, _REMEDIES.get(name, "the direct producer does not have it"))


def _check_promises(given: _Properties) -> None:
    """Raise NotDirect for what the direct producer always does and is told to do otherwise."""
    if given.choice("acks", "all") not in ("all", "-1"):
        raise NotDirect("acks", "the direct producer always waits for all replicas in sync")
    if not given.truth("enable.idempotence", "true"):
        raise NotDirect("enable.idempotence", "the direct producer is always idempotent")
    if given.number("max.in.flight.requests.per.connection", 5) > 5:
        raise NotDirect("max.in.flight.requests.per.connection", "more than 5 would allow a wrong order")
    if given.number("retries", _RETRIES_WITHOUT_LIMIT) != _RETRIES_WITHOUT_LIMIT:
        raise NotDirect("retries", "the direct producer tries again until message.timeout.ms")
    if not given.truth("socket.keepalive.enable", "true"):
        raise NotDirect("socket.keepalive.enable", "the direct producer always has it on")
    if not given.truth("socket.nagle.disable", "true"):
        raise NotDirect("socket.nagle.disable", "the direct producer always disables it")


def _batch_size(given: _Properties) -> int:
    size = given.number("batch.size", 1_000_000)
    if size < BATCH_BYTES_MIN:
        raise NotDirect("batch.size", f"{size} is less than the direct producer's smallest batch, {BATCH_BYTES_MIN}")
    return size


def _bootstrap(given: _Properties) -> tuple[Address, ...]:
    texts = [text.strip() for text in given.text(BOOTSTRAP, "").split(",")]
    for text in texts:
        if "://" in text:
            raise NotDirect(BOOTSTRAP, f"'{text}' names a protocol; leave it out and set security.protocol")
    try:
        return tuple(dict.fromkeys(Address.parse(text) for text in texts if text))
    except ValueError:
        raise NotDirect(BOOTSTRAP, "is no list of HOST:PORT") from None


def _security(given: _Properties) -> Security:
    protocol = given.choice("security.protocol", "plaintext")
    tls, sasl = None, None
    if protocol in ("ssl", "sasl_ssl"):
        authorities = given.optional("ssl.ca.location")
        tls = TlsSettings(
            authorities=None if authorities == "probe" else authorities,
            certificate=given.optional("ssl.certificate.location"),
            key=given.optional("ssl.key.location"),
            key_password=given.optional("ssl.key.password"),
            ciphers=given.optional("ssl.cipher.suites"),
            verify=given.truth("enable.ssl.certificate.verification", "true"),
            verify_name=given.choice("ssl.endpoint.identification.algorithm", "https") == "https",
        )
    if protocol in ("sasl_plaintext", "sasl_ssl"):
        mechanism = given.text("sasl.mechanism", "GSSAPI").upper()
        if mechanism not in MECHANISMS:
            raise NotDirect("sasl.mechanism", f"{mechanism} needs librdkafka; direct has {', '.join(MECHANISMS)}")
        sasl = _kerberos(given) if mechanism == "GSSAPI" else _password(given, mechanism)
    if protocol not in ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"):
        raise NotDirect("security.protocol", f"{protocol} is not known")
    for name in _SECURITY:  # librdkafka too ignores what security.protocol does not use
        given.optional(name)
    return Security(tls=tls, sasl=sasl)


def _password(given: _Properties, mechanism: str) -> SaslSettings:
    sasl = SaslSettings(mechanism, given.text("sasl.username", ""), given.text("sasl.password", ""))
    for name, value in (("sasl.username", sasl.username), ("sasl.password", sasl.password)):
        if not value:
            raise NotDirect(name, f"{mechanism} needs it")
    return sasl


def _kerberos(given: _Properties) -> SaslSettings:
    if not kerberos.installed():
        raise NotDirect("sasl.mechanism", kerberos.NOT_INSTALLED)
    settings = KerberosSettings(
        service=given.text("sasl.kerberos.service.name", "kafka"),
        keytab=given.optional("sasl.kerberos.keytab"),
        principal=given.optional("sasl.kerberos.principal"),
    )
    if given.optional("sasl.kerberos.kinit.cmd"):
        why = "no command is run for tickets; name a keytab (sasl.kerberos.keytab), or have tickets in KRB5CCNAME"
        raise NotDirect("sasl.kerberos.kinit.cmd", why)
    return SaslSettings("GSSAPI", "", "", settings)
