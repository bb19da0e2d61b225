"""The brokers and the topic that were named."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from fastcapa.doctor.finding import Finding, blocks, note, ok, warning
from fastcapa.kafka.client_log import ClientLog
from fastcapa.kafka.properties import BOOTSTRAP, bootstrap_servers, make_client

BROKER_TIMEOUT_S = 5.0
_ATTEMPT_S = 0.5
# The largest frame that a kernel interface shows (segmentation offload), with what a record batch adds to it.
FRAME_BYTES = 65_549 + 101


def examine(properties: Mapping[str, str], topic: str | None, tx_workers: int) -> Iterator[Finding]:
    """Yield every finding; `tx_workers` are all that would run. Raises UsageError for properties that cannot be."""
    log = ClientLog(properties)
    client = make_client(AdminClient, {**properties, **log.attachments()})
    brokers = properties[BOOTSTRAP]
    metadata = _metadata(client, lambda: log.refused(len(set(bootstrap_servers(properties)))))
    if metadata is None and log.refused(len(set(bootstrap_servers(properties)))):
        yield blocks(
            "broker", f"none at {brokers} can be used ({log.cause})", "set the security properties (-X, -F) right"
        )
        return
    if metadata is None:
        yield blocks(
            "broker",
            f"none answered at {brokers} within {BROKER_TIMEOUT_S:g} s ({log.cause or 'no answer'})",
            "check that it runs and that -b and the security properties (-X, -F) are right",
        )
        return
    yield ok("broker", f"{brokers}: cluster of {len(metadata.brokers)} brokers answers")
    if topic is None:
        return
    described = metadata.topics.get(topic)
    if described is None or described.error is not None:
        yield _missing(client, metadata, topic, brokers)
        return
    yield from _partitions(topic, described, tx_workers, brokers)
    yield from _configuration(client, topic, described, brokers)


def _metadata(client: Any, refused: Callable[[], bool]) -> Any | None:
    deadline = time.monotonic() + BROKER_TIMEOUT_S
    while time.monotonic() < deadline and not refused():
        try:
            # Of all topics: asking for one by its name would make some brokers create it.
            return client.list_topics(timeout=_ATTEMPT_S)
        except KafkaException:
            client.poll(0)  # serves the log, which knows the cause
            time.sleep(0.05)
    return None


def _missing(client: Any, metadata: Any, topic: str, brokers: str) -> Finding:
    create = f"kafka-topics.sh --bootstrap-server {brokers} --create --topic {topic} --partitions 4"
    broker = next(iter(metadata.brokers))
    entries = _entries(client, ConfigResource.Type.BROKER, str(broker))
    if entries.get("auto.create.topics.enable") == "true":
        count = entries.get("num.partitions", "?")
        return note("topic", f"{topic}: does not exist; the broker will create it with {count} partitions", create)
    return blocks("topic", f"{topic}: does not exist, and the broker does not create topics by itself", create)


def _partitions(topic: str, described: Any, tx_workers: int, brokers: str) -> Iterator[Finding]:
    partitions = described.partitions
    leaderless = [number for number, partition in sorted(partitions.items()) if partition.leader < 0]
    if leaderless:
        yield blocks(
            "topic",
            f"{topic}: partition {leaderless[0]} has no leader ({len(leaderless)} of {len(partitions)} have none)",
            f"kafka-topics.sh --bootstrap-server {brokers} --describe --topic {topic}; start its brokers",
        )
    if len(partitions) < tx_workers:
        yield warning(
            "topic",
            f"{topic}: {len(partitions)} partitions for {tx_workers} tx workers: some share one at the broker",
            f"kafka-topics.sh --bootstrap-server {brokers} --alter --topic {topic} --partitions {tx_workers}",
        )
    else:
        yield ok("topic", f"{topic}: {len(partitions)} partitions")


def _configuration(client: Any, topic: str, described: Any, brokers: str) -> Iterator[Finding]:
    entries = _entries(client, ConfigResource.Type.TOPIC, topic)
    if not entries:
        yield note("topic", f"{topic}: this user may not see its configuration", "allow DescribeConfigs on the topic")
        return
    alter = (
        f"kafka-configs.sh --bootstrap-server {brokers} --alter --entity-type topics --entity-name {topic} --add-config"
    )
    largest = int(entries.get("max.message.bytes", "0"))
    if largest < FRAME_BYTES:
        yield warning(
            "topic",
            f"{topic}: max.message.bytes = {largest}: frames of 64 KB (segmentation offload) are refused",
            f"{alter} max.message.bytes=1048588",
        )
    else:
        yield ok("topic", f"{topic}: takes messages of {largest} bytes")
    yield from _replicas(topic, described, int(entries.get("min.insync.replicas", "1")), alter)
    if "compact" in entries.get("cleanup.policy", ""):
        yield warning(
            "topic",
            f"{topic}: cleanup.policy = {entries['cleanup.policy']}: of frames received in the same microsecond all but"
            " one are deleted",
            f"{alter} cleanup.policy=delete",
        )
    retention_ms, retention_bytes = (int(entries.get(f"retention.{what}", "-1")) for what in ("ms", "bytes"))
    age = "for ever" if retention_ms < 0 else f"for {retention_ms / 3_600_000:g} hours"
    size = "" if retention_bytes < 0 else f", up to {retention_bytes} bytes a partition"
    yield ok("topic", f"{topic}: frames are kept {age}{size}")
    if entries.get("message.timestamp.type") == "LogAppendTime":
        yield warning(
            "topic",
            f"{topic}: the broker replaces the time of each message (LogAppendTime): read -o s@MS finds by arrival",
            f"{alter} message.timestamp.type=CreateTime",
        )


def _replicas(topic: str, described: Any, needed: int, alter: str) -> Iterator[Finding]:
    in_sync = min((len(partition.isrs) for partition in described.partitions.values()), default=0)
    replicas = min((len(partition.replicas) for partition in described.partitions.values()), default=0)
    if in_sync < needed:
        yield blocks(
            "topic",
            f"{topic}: min.insync.replicas = {needed}, and a partition has {in_sync} of {replicas} in sync: with"
            " acks=all nothing is accepted",
            f"start the brokers that are away, or {alter} min.insync.replicas={max(in_sync, 1)}",
        )
    elif replicas == 1:
        yield note("topic", f"{topic}: one replica: what a broker loses is lost")
    else:
        yield ok("topic", f"{topic}: {replicas} replicas, {needed} have to be in sync")


def _entries(client: Any, kind: Any, name: str) -> dict[str, str]:
    """Return the configuration of a topic or broker, as far as this user may see it."""
    resource = ConfigResource(kind, name)
    try:
        answer = client.describe_configs([resource], request_timeout=BROKER_TIMEOUT_S)
        entries = answer[resource].result(timeout=BROKER_TIMEOUT_S + 1)
    except (KafkaException, FutureTimeoutError):
        return {}
    return {key: entry.value for key, entry in entries.items() if entry.value is not None}
