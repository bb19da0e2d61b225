"""What the control side uses of the data plane."""

from typing import Protocol

from fastcapa._dataplane import Transport

# need ("connection", "topic" or "producer_id"), worker, node, partition, error, reason
Question = tuple[str, int, int, int, int, str]


class DataPlane(Protocol):
    """The part of `_dataplane.Pipeline` that is dataplane.h's "the direct producer's control side". One thread."""

    def direct_next(self) -> Question | None:
        """Return the next question of a worker."""

    def direct_topic(self, leaders: list[int], batch_bytes_max: int) -> None:
        """Publish the topic's metadata to all workers."""

    def direct_producer_id(self, worker: int, producer_id: int, epoch: int) -> bool:
        """Give a worker its producer id; False: later."""

    def direct_connection(self, worker: int, node: int, transport: Transport, version: int) -> bool:
        """Give a worker a connection, and the ownership of it; False: later."""
