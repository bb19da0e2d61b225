"""A reader of a topic that is librdkafka's: as most programs that are not Java read it."""

from __future__ import annotations

import secrets
import time
from typing import cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from support.kafka_reader import Record


def read_all(bootstrap: str, topic: str, *, timeout: float = 60) -> list[Record]:
    """Every record of a topic, ordered by partition and offset. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": secrets.token_hex(8),  # it has to have one, although nothing is committed
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
            "allow.auto.create.topics": False,
            "auto.offset.reset": "error",
        }
    )
    records: list[Record] = []
    try:
        left = set(consumer.list_topics(topic, timeout).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        while left:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not read in {timeout} s")
            for message in consumer.consume(10_000, timeout=0.5):
                error = message.error()
                if error is None:
                    records.append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))


def _record(message: Message) -> Record:
    partition, offset, key, value = message.partition(), message.offset(), message.key(), message.value()
    assert partition is not None and offset is not None and key is not None and value is not None
    kind, timestamp_ms = message.timestamp()
    headers = cast("list[tuple[str, bytes]]", message.headers() or [])  # it takes others, and returns these
    # The library numbers the kinds otherwise than the protocol.
    return Record(partition, offset, key, value, timestamp_ms, 0 if kind == TIMESTAMP_CREATE_TIME else kind, headers)
