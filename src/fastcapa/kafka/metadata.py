"""What a broker says of the cluster and of our topic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastcapa.kafka.address import Address

NO_LEADER = -1
_UNKNOWN_TOPIC = 3  # Kafka: UNKNOWN_TOPIC_OR_PARTITION


@dataclass(frozen=True)
class Leader:
    """Who leads a partition, and since which of its elections (KIP-320; -1: the broker does not tell)."""

    node: int = NO_LEADER
    epoch: int = -1


@dataclass(frozen=True)
class Metadata:
    """Nodes by id, leaders by partition."""

    nodes: Mapping[int, Address] = field(default_factory=dict)
    leaders: tuple[Leader, ...] = ()
    error: int = 0
    """Of the topic, Kafka's code. With one the leaders tell nothing."""
    topic_id: Any = None

    @property
    def missing(self) -> bool:
        """Whether the broker knows no such topic."""
        return self.error == _UNKNOWN_TOPIC

    @property
    def leader_nodes(self) -> tuple[int, ...]:
        """A node id for each partition, NO_LEADER where there is none, or none that we could reach."""
        return tuple(leader.node if leader.node in self.nodes else NO_LEADER for leader in self.leaders)

    @classmethod
    def of(cls, response: Any, topic: str) -> "Metadata":
        """Return what a MetadataResponse (version 4 or later) says of one topic."""
        nodes = {broker.node_id: Address(broker.host, broker.port) for broker in response.brokers}
        described = next((entry for entry in response.topics if entry.name == topic), None)
        if described is None:
            return cls(nodes=nodes, error=_UNKNOWN_TOPIC)
        if described.error_code:
            return cls(nodes=nodes, error=described.error_code)
        leaders = [Leader()] * (1 + max((part.partition_index for part in described.partitions), default=-1))
        for part in described.partitions:
            epoch = getattr(part, "leader_epoch", None)
            leaders[part.partition_index] = Leader(part.leader_id, -1 if epoch is None else epoch)
        return cls(nodes=nodes, leaders=tuple(leaders), topic_id=described.topic_id)

    def after(self, before: "Metadata") -> "Metadata":
        """Return what holds now, when `before` held until this came.

        Never fewer partitions: the data plane has batches for them. And never an older election: a broker that is
        behind the others must not send us back to the former leader. A topic that is gone has no leaders; an error that
        says nothing of them changes none.
        """
        if self.error:
            leaders = tuple(Leader() for _ in before.leaders) if self.missing else before.leaders
            return Metadata(self.nodes, leaders, self.error, before.topic_id)
        same = self.topic_id == before.topic_id or not before.topic_id
        leaders = tuple(
            old if same and new.epoch < old.epoch else new
            for new, old in zip(self.leaders, before.leaders, strict=False)
        )
        leaders += self.leaders[len(before.leaders) :]
        leaders += tuple(Leader() for _ in before.leaders[len(self.leaders) :])
        return Metadata(self.nodes, leaders, 0, self.topic_id)
