"""A topic's description over the direct producer's own connections: for Kerberos.

Everything else is topics.describe()'s, whose library, that of the Python package confluent-kafka, has no Kerberos.
"""

import time
from collections.abc import Callable, Mapping

from fastcapa.errors import RunTimeError, UsageError
from fastcapa.kafka.cluster import Cluster
from fastcapa.kafka.connection import AuthenticationFailed, ConnectionFailed, Interrupted, error_name
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import NotDirect, connection_settings
from fastcapa.kafka.metadata import NO_LEADER, Metadata
from fastcapa.kafka.topics import Cancelled, Topic, check_name

_PAUSE_S = 0.1
_RETENTION, _LIMIT = "retention.ms", "max.message.bytes"


def needed(properties: Mapping[str, str]) -> bool:
    """Return whether brokers are to be reached with Kerberos."""
    mechanism = properties.get("sasl.mechanism") or properties.get("sasl.mechanisms") or "GSSAPI"  # the default
    return properties.get("security.protocol", "").lower().startswith("sasl_") and mechanism.upper() == "GSSAPI"


def describe(
    properties: Mapping[str, str], topic: str, timeout_s: float, *, cancelled: Callable[[], bool] = lambda: False
) -> Topic:
    """Ask the brokers for a topic, as topics.describe(create=True) does, and raise what that raises."""
    check_name(topic)
    try:
        settings = connection_settings(properties)
    except NotDirect as error:
        raise UsageError(str(error)) from None
    cluster = Cluster(settings, Dialer(settings, cancelled), topic)
    try:
        metadata = _metadata(cluster, topic, time.monotonic() + timeout_s)
        limits = cluster.configs(_RETENTION, _LIMIT)
    except Interrupted:
        raise Cancelled("interrupted while waiting for Kafka") from None
    finally:
        cluster.close()
    return Topic(
        name=topic,
        partitions=tuple(range(len(metadata.leaders))),
        brokers=tuple(str(address) for _, address in sorted(metadata.nodes.items())),
        retention_ms=limits.get(_RETENTION),
        max_message_bytes=limits.get(_LIMIT),
    )


def _metadata(cluster: Cluster, topic: str, deadline: float) -> Metadata:
    """Return it when every partition has a leader; whom the brokers do not know is not tried twice."""
    while True:
        try:
            metadata = cluster.metadata(create=True)
            if not metadata.error and NO_LEADER not in metadata.leader_nodes:
                return metadata
            why = error_name(metadata.error) if metadata.error else "a partition has no leader"
            problem = f"topic {topic!r}: {why}; create it, or look at it with kafka-topics.sh --describe"
        except AuthenticationFailed:
            raise
        except ConnectionFailed as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise RunTimeError(problem)
        time.sleep(_PAUSE_S)
