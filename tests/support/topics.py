"""Topics on any broker, for tests that start their own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient

from support.live import wait_until


def create(
    bootstrap: str, partitions: int = 4, *, replicas: Mapping[int, Sequence[int]] | None = None, **configs: str
) -> str:
    """A fresh topic that keeps records of any age; `_` in a config's name stands for `.`.

    `replicas` are the nodes of each partition, its first leader first, instead of a number of partitions.
    """
    name = f"fastcapa-{secrets.token_hex(4)}"
    options = {"retention.ms": "-1"} | {key.replace("_", "."): value for key, value in configs.items()}
    shape: dict[str, object] = {"num_partitions": partitions, "replication_factor": 1}
    if replicas is not None:
        shape = {"assignments": replicas}
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics({name: shape | {"configs": options}}, wait_for_metadata=True)
    finally:
        admin.close()
    return name


class _Ends:
    """How many records a topic has: with a producer without transactions, its end offsets."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, allow_auto_create_topics=False)
        self._partitions = [TopicPartition(topic, number) for number in self._consumer.partitions_for_topic(topic)]

    def __enter__(self) -> _Ends:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def of_partitions(self) -> list[int]:
        ends = self._consumer.end_offsets(self._partitions)
        return [ends[partition] for partition in sorted(ends)]

    def records(self) -> int:
        return sum(self.of_partitions())


def records_by_partition(bootstrap: str, topic: str) -> list[int]:
    """How many records each partition has now."""
    with _Ends(bootstrap, topic) as ends:
        return ends.of_partitions()


def records_in(bootstrap: str, topic: str) -> int:
    """How many records a topic has now."""
    with _Ends(bootstrap, topic) as ends:
        return ends.records()


@contextmanager
def growing(bootstrap: str, topic: str, *, below: int, above: int = 10_000) -> Iterator[None]:
    """Go in when the topic has more than `above` records; fail if that is seen too late."""
    with _Ends(bootstrap, topic) as ends:
        wait_until(lambda: ends.records() > above)
        assert ends.records() < below, "not in the middle any more: the test shows nothing"
        yield
