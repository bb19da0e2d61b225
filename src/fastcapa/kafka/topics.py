"""What must be known of a topic before frames go into it or come out of it."""

import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from fastcapa.errors import RunTimeError, UsageError
from fastcapa.kafka.client_log import ClientLog
from fastcapa.kafka.properties import BOOTSTRAP, bootstrap_servers, make_client

NAME_LENGTH_MAX = 249  # Kafka: the name and a partition number must fit a file name
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# Leaders of a topic that the broker has just created are elected within this time, or something is wrong.
_CREATION_S = 5.0
# Short, for between attempts is the only time to see that a password is wrong: the client tries that again and again.
_ATTEMPT_S = 0.5
_PAUSE_S = 0.1
_CONFIG_S = 5.0
# The client only ever looks; it joins no group, but the library wants a name for one.
_GROUP = "fastcapa"


class Cancelled(RunTimeError):
    """`describe` was told to give up."""


@dataclass(frozen=True)
class Topic:
    """A topic as its brokers describe it."""

    name: str
    partitions: tuple[int, ...]
    brokers: tuple[str, ...]
    """host:port of every broker of the cluster."""
    retention_ms: int | None = None
    """None: without limit, or the broker does not say."""
    max_message_bytes: int | None = None
    """Largest record batch that the topic takes; None: the broker does not say."""


def check_name(topic: str | None) -> str:
    """Return the name, or raise UsageError if Kafka allows no topic of this name."""
    if not topic:
        raise UsageError("no topic is named; give -t TOPIC")
    if not _NAME.fullmatch(topic) or len(topic) > NAME_LENGTH_MAX or topic in (".", ".."):
        raise UsageError(
            f"{topic!r} cannot be a topic; a name is 1 to {NAME_LENGTH_MAX} characters of a-z A-Z 0-9 . _ -"
        )
    return topic


def describe(
    properties: Mapping[str, str],
    topic: str,
    timeout_s: float,
    *,
    create: bool,
    limits: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Topic:
    """Ask the brokers for a topic; with `create`, a broker that creates topics by itself creates it now.

    Waits up to `timeout_s` for a broker, then some seconds for the leaders of a new topic. `limits` asks for
    retention and message size too. Raises UsageError for names and properties that cannot be,
    RunTimeError for a topic that is not there and brokers out of reach, Cancelled when `cancelled` says so.
    """
    check_name(topic)
    log = ClientLog(properties)
    # A consumer, as only consumers leave it to us whether asking for a topic creates it.
    client = make_client(
        Consumer,
        {"group.id": _GROUP, **properties, "allow.auto.create.topics": create, **log.attachments()},
    )
    try:
        metadata, problem = _metadata(
            client,
            topic,
            timeout_s=timeout_s,
            create=create,
            cancelled=cancelled,
            refused=lambda: log.refused(len(set(bootstrap_servers(properties)))),
            unreachable=lambda: unreachable(properties, log, timeout_s),
        )
    finally:
        client.close()
    if problem == "":
        raise _missing(properties, topic, create)
    if problem is not None:
        raise RunTimeError(f"topic {topic!r}: {problem}; look at it with kafka-topics.sh --describe")
    described = metadata.topics[topic]
    retention_ms, max_message_bytes = None, None
    # librdkafka's mock cluster names a controller that it has not, and only controllers answer this.
    if limits and metadata.controller_id in metadata.brokers:
        retention_ms, max_message_bytes = _limits(properties, topic)
    return Topic(
        name=topic,
        partitions=tuple(sorted(described.partitions)),
        brokers=tuple(f"{broker.host}:{broker.port}" for _, broker in sorted(metadata.brokers.items())),
        retention_ms=retention_ms,
        max_message_bytes=max_message_bytes,
    )


def unreachable(properties: Mapping[str, str], log: ClientLog, waited_s: float) -> RunTimeError:
    """Return the error for brokers that did not answer, or not us, with the cause as far as the client told it."""
    if log.refused(len(set(bootstrap_servers(properties)))):
        return RunTimeError(
            f"no Kafka broker at {properties[BOOTSTRAP]} can be used ({log.cause}); check the security properties:"
            " security.protocol, sasl.*, ssl.*"
        )
    return RunTimeError(
        f"no Kafka broker answered at {properties[BOOTSTRAP]} within {waited_s:g} s"
        f" ({log.cause or 'no answer'}); check that it runs and that -b and the security properties are right"
    )


def _metadata(
    client: Consumer,
    topic: str,
    *,
    timeout_s: float,
    create: bool,
    cancelled: Callable[[], bool],
    refused: Callable[[], bool],
    unreachable: Callable[[], RunTimeError],
) -> tuple[Any, str | None]:
    """Return the cluster's metadata and what is wrong with the topic: None, or a text, "" if missing.

    Waits for a broker for `timeout_s`, then `_CREATION_S` for every partition to have a leader.
    """
    deadline = time.monotonic() + timeout_s
    metadata: Any = None
    while not cancelled():
        try:
            answer = client.list_topics(topic, timeout=min(_ATTEMPT_S, timeout_s))
        except KafkaException:
            client.poll(0)  # serves the log, which knows the cause
            if metadata is None and refused():
                raise unreachable() from None
        else:
            # From the first answer on: a slow connection must not eat up the time for the election.
            deadline = deadline if metadata is not None else time.monotonic() + _CREATION_S
            metadata = answer
            problem = _problem(metadata.topics[topic])
            if problem is None or (problem == "" and not create):
                return metadata, problem
        if time.monotonic() > deadline:
            if metadata is None:
                raise unreachable()
            return metadata, problem
        time.sleep(_PAUSE_S)
    raise Cancelled("interrupted while waiting for Kafka")


def _problem(described: Any) -> str | None:
    """Return what keeps a topic from being used: None, or a text, "" if it does not exist."""
    if described.error is not None:
        missing = described.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
        return "" if missing else str(described.error.str())
    leaderless = [number for number, partition in described.partitions.items() if partition.leader < 0]
    if leaderless:
        return f"partition {leaderless[0]} has no leader"
    return None if described.partitions else ""


def _missing(properties: Mapping[str, str], topic: str, create: bool) -> RunTimeError:
    brokers = properties[BOOTSTRAP]
    if not create:
        return RunTimeError(
            f"topic {topic!r} does not exist on {brokers};"
            f" list those that do: kafka-topics.sh --bootstrap-server {brokers} --list"
        )
    return RunTimeError(
        f"topic {topic!r} does not exist on {brokers} and the broker does not create topics by itself;"
        f" create it: kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions 4"
    )


def _limits(properties: Mapping[str, str], topic: str) -> tuple[int | None, int | None]:
    """Return retention.ms and max.message.bytes, as far as the broker lets us know."""
    log = ClientLog(properties)
    client = make_client(AdminClient, {**properties, **log.attachments()})
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    try:
        answer = client.describe_configs([resource], request_timeout=_CONFIG_S)
        entries = answer[resource].result(timeout=_CONFIG_S + 1)
    except (KafkaException, FutureTimeoutError):
        return None, None

    def number(name: str) -> int | None:
        entry = entries.get(name)
        value = int(entry.value) if entry is not None and entry.value is not None else -1
        return value if value >= 0 else None

    return number("retention.ms"), number("max.message.bytes")
