"""Reads a topic of the embedded broker, which kafka-python cannot talk to; shares no code with the probe."""

from __future__ import annotations

import time
from typing import cast

from confluent_kafka import Consumer, KafkaError, TopicPartition

from support.kafka_reader import Record


def read_all(bootstrap: str, topic: str, *, timeout: float = 30) -> list[Record]:
    """Every record of a topic, ordered by partition and offset. Raises TimeoutError."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "tests", "enable.partition.eof": True, "check.crcs": True}
    )
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        records: list[Record] = []
        open_partitions = set(partitions)
        deadline = time.monotonic() + timeout
        while open_partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic} was not read in {timeout} s")
            for message in consumer.consume(10000, timeout=0.2):
                error = message.error()
                number = message.partition()
                assert number is not None
                if error is None:
                    kind, timestamp_ms = message.timestamp()
                    offset, key, value = message.offset(), message.key(), message.value()
                    assert isinstance(offset, int)
                    assert isinstance(key, bytes)
                    assert isinstance(value, bytes)
                    headers = cast("list[tuple[str, bytes]]", message.headers() or [])
                    records.append(Record(number, offset, key, value, timestamp_ms, kind - 1, headers))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(number)
                else:
                    raise RuntimeError(str(error))
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()
