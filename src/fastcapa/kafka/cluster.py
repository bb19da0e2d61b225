"""The cluster as a whole: which broker answers, what it says of our topic, new producer ids."""

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from kafka.protocol.admin import DescribeConfigsRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import InitProducerIdRequest

from fastcapa.errors import RunTimeError
from fastcapa.kafka.address import Address
from fastcapa.kafka.connection import AuthenticationFailed, Connection, ConnectionFailed, NotTrusted, error_name
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import DirectSettings
from fastcapa.kafka.metadata import Metadata

_TOPIC_RESOURCE = 2  # of DescribeConfigs: ConfigResource.Type
_LIMIT = "max.message.bytes"
# A connection is not used any more when its session ends within this.
_SESSION_MARGIN_S = 5.0
_CLOSE_S = 0.5
# A broker that takes longer is left aside while there are others to ask.
_IMPATIENCE_S = 2.0
# COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, REQUEST_TIMED_OUT: a cluster that starts.
_PRODUCER_ID_LATER = (7, 14, 15, 16)
_CLUSTER_AUTHORIZATION_FAILED = 31

Answer = TypeVar("Answer")


class Refused(RunTimeError):
    """A broker understood, and will not do it. Time alone does not mend that."""


class NotYet(RunTimeError):
    """A broker understood, and cannot do it yet."""


class Cluster:
    """Asks whichever broker answers. Every call blocks; any thread, one after the other."""

    def __init__(self, settings: DirectSettings, dialer: Dialer, topic: str) -> None:
        self._settings = settings
        self._dialer = dialer
        self._topic = topic
        self._lock = threading.Lock()  # around the connection
        self._connection: Connection | None = None
        self._nodes: tuple[Address, ...] = ()

    def close(self) -> None:
        """Close the connection, unless somebody is still asking there: it is closed with its last user."""
        if self._lock.acquire(timeout=_CLOSE_S):
            self._drop()
            self._lock.release()

    def metadata(self, *, create: bool = False) -> Metadata:
        """Return what a broker says of the topic. Raises ConnectionFailed, with every distinct cause.

        With `create`, a broker that creates topics by itself creates it.
        """

        def ask(connection: Connection, deadline: float) -> Metadata:
            request = MetadataRequest(
                topics=[MetadataRequest.MetadataRequestTopic(name=self._topic)],
                allow_auto_topic_creation=create,
                version=connection.version(MetadataRequest, 4, 12),
            )
            return Metadata.of(connection.request(request, deadline), self._topic)

        found = self._ask(ask)
        self._nodes = tuple(found.nodes.values()) or self._nodes
        return found

    def batch_bytes_max(self) -> int | None:
        """Return the topic's max.message.bytes, None if brokers do not tell us."""
        return self.configs(_LIMIT).get(_LIMIT)

    def configs(self, *names: str) -> dict[str, int]:
        """Return those of the topic's numbers that brokers tell us and that are limits: -1 is none."""

        def ask(connection: Connection, deadline: float) -> dict[str, int]:
            if not connection.offers(DescribeConfigsRequest):
                return {}
            resource = DescribeConfigsRequest.DescribeConfigsResource(
                resource_type=_TOPIC_RESOURCE, resource_name=self._topic, configuration_keys=list(names)
            )
            version = connection.version(DescribeConfigsRequest, 1, 4)
            answer = connection.request(DescribeConfigsRequest(resources=[resource], version=version), deadline)
            entries = [entry for result in answer.results for entry in result.configs if entry.name in names]
            values = {entry.name: int(entry.value) for entry in entries if entry.value is not None}
            return {name: value for name, value in values.items() if value >= 0}

        return self._ask(ask)

    def producer_id(self) -> tuple[int, int]:
        """Return a new producer id and its epoch. Raises ConnectionFailed, NotYet or Refused."""

        def ask(connection: Connection, deadline: float) -> tuple[int, int]:
            request = InitProducerIdRequest(
                transactional_id=None,
                transaction_timeout_ms=0,
                version=connection.version(InitProducerIdRequest, 0, 4),
            )
            answer = connection.request(request, deadline)
            if answer.error_code in _PRODUCER_ID_LATER:
                raise NotYet(f"broker {connection.address} has no producer id yet ({error_name(answer.error_code)})")
            if answer.error_code == _CLUSTER_AUTHORIZATION_FAILED:
                raise Refused(
                    f"broker {connection.address} gives this user no producer id: allow it to write to topic"
                    f" {self._topic}, before Kafka 3.0 also IdempotentWrite on the cluster"
                )
            if answer.error_code:
                raise Refused(f"broker {connection.address} gives no producer id: {error_name(answer.error_code)}")
            return answer.producer_id, answer.producer_epoch

        return self._ask(ask)

    def _ask(self, question: Callable[[Connection, float], Answer]) -> Answer:
        """Ask on the connection that there is; if it is gone, on one to the first broker that takes one."""
        with self._lock:
            kept = self._usable()
            if kept is not None:
                try:
                    alone = len(self._candidates()) == 1
                    return self._once(kept, question, self._settings.socket_timeout_s if alone else _IMPATIENCE_S)
                except ConnectionFailed:
                    pass  # brokers close connections that were idle
            return self._once(self._connect(), question, self._settings.socket_timeout_s)

    def _once(self, connection: Connection, question: Callable[[Connection, float], Answer], wait_s: float) -> Answer:
        try:
            return question(connection, time.monotonic() + min(wait_s, self._settings.socket_timeout_s))
        except (Refused, NotYet):
            raise
        except BaseException:
            self._drop()
            raise

    def _usable(self) -> Connection | None:
        ends = self._connection.session_ends if self._connection is not None else None
        if ends is not None and time.monotonic() > ends - _SESSION_MARGIN_S:
            self._drop()
        return self._connection

    def _candidates(self) -> list[Address]:
        """Return every broker: those we know of, then those we started from, each in random order."""
        return list(dict.fromkeys((*_shuffled(self._nodes), *_shuffled(self._settings.bootstrap))))

    def _connect(self) -> Connection:
        """Connect to any broker; those that are slow get all their time only when there is no other."""
        problems: dict[Address, ConnectionFailed] = {}
        left = self._candidates()
        for wait_s in (_IMPATIENCE_S, None) if len(left) > 1 else (None,):
            slow: list[Address] = []
            for address in left:
                began = time.monotonic()
                try:
                    self._connection = self._dialer.dial(address, wait_s)
                except AuthenticationFailed:
                    raise  # the next broker knows the same passwords, and may lock us out
                except ConnectionFailed as error:
                    problems[address] = error
                    if wait_s is not None and time.monotonic() - began >= wait_s:
                        slow.append(address)
                else:
                    return self._connection
            left = slow
        failed = NotTrusted if any(isinstance(error, NotTrusted) for error in problems.values()) else ConnectionFailed
        raise failed("; ".join(dict.fromkeys(map(str, problems.values()))))

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _shuffled(addresses: Iterable[Address]) -> list[Address]:
    found = list(addresses)
    random.shuffle(found)
    return found
