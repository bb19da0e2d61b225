"""A Kafka broker of one node and one topic, on loopback, that does wrong what a test's script says.

It answers what the probe asks when it starts and the direct producer while it runs. Requests and responses are
kafka-python's; only what a script makes of a response is written byte by byte. One thread for each connection; all of
them take turns, so that a script never runs twice at a time.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from kafka.protocol.admin import DescribeConfigsRequest, DescribeConfigsResponse
from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse
from kafka.protocol.producer import InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse

from support.partition_log import Batch, PartitionLog

NODE = 1
MESSAGE_TOO_LARGE = 10
_UNKNOWN_TOPIC = 3
_HEAD_BYTES = 8  # of a request: API key, version, correlation id
_VERSIONS = {
    ProduceRequest: (3, 8),
    MetadataRequest: (0, 12),
    ApiVersionsRequest: (0, 4),
    InitProducerIdRequest: (0, 4),
    DescribeConfigsRequest: (1, 4),
}
_BY_KEY = {request.API_KEY: request for request in _VERSIONS}


class Verdict(NamedTuple):
    """What is answered of one batch, whatever the log's rules would be."""

    error: int
    written: bool = False
    """Whether it goes to the log nevertheless, as far as that takes it."""
    text: str | None = None


@dataclass(frozen=True)
class Produce:
    """A Produce request."""

    number: int
    """Counted from 0, over all connections."""
    connection: int
    version: int
    correlation_id: int
    batches: tuple[Batch, ...]
    time: float
    """Monotonic, when it was whole."""


class Reply(NamedTuple):
    """What goes out in answer to a Produce request."""

    data: bytes
    end: Literal["", "close", "reset"] = ""
    """What becomes of the connection afterwards."""
    in_bytes: bool = False
    """Sent byte by byte, with a moment between them."""


class Event(NamedTuple):
    """Something that the broker was asked, in the order of asking."""

    kind: Literal["produce", "metadata", "configs", "identity"]
    batch: Batch | None = None
    error: int = 0
    written: bool = False


class Script:
    """A broker without faults; tests override what theirs does wrong."""

    def interrupts(self, number: int) -> bool:
        """Whether the Produce request of this number is read to its half, and the connection reset then."""
        return False

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        """What becomes of a batch; None: what the log says."""
        return None

    def throttle_ms(self, request: Produce) -> int:
        """What the response asks for."""
        return 0

    def reply(self, request: Produce, response: bytes) -> Reply:
        """What is sent, given the right response with its size field."""
        return Reply(response)


@dataclass
class ScriptedBroker:
    """Context manager; `bootstrap` is its address."""

    script: Script = field(default_factory=Script)
    topic: str = "t"
    partitions: int = 1
    produce_versions: tuple[int, int] = (3, 8)
    limit: int = 1_000_000
    """max.message.bytes of the topic."""
    told_limit: int | None = None
    """What the first to ask are told; None: the truth."""
    receive_bytes: int = 0
    """SO_RCVBUF of its connections; 0: the kernel's choice."""

    def __post_init__(self) -> None:
        self.logs = [PartitionLog() for _ in range(self.partitions)]
        self.events: list[Event] = []
        self.requests: list[Produce] = []
        self.problems: list[str] = []
        """What a thread of the broker failed with: a client that speaks wrongly, or a wrong script."""
        self.bootstrap = ""
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._next_producer_id = 1000
        self._topic_id = uuid.uuid4()

    def __enter__(self) -> Self:
        if self.receive_bytes:  # before listen(): connections inherit it
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._threads[0].join()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()
        assert not self.problems, self.problems

    @property
    def _port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def values(self) -> list[list[bytes]]:
        """What is in the topic, by partition, in the order of the log."""
        return [log.values() for log in self.logs]

    # ---- connections ----

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = len(self._connections)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            self._start(lambda c=connection, n=number: self._serve(c, n))  # type: ignore[misc]

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            try:
                self._answer_all(connection, number)
            except (ConnectionError, EOFError):
                pass
            except Exception as error:
                self.problems.append(repr(error))

    def _answer_all(self, connection: socket.socket, number: int) -> None:
        while True:
            (size,) = struct.unpack(">i", _read(connection, 4))
            head = _read(connection, _HEAD_BYTES)
            key, version, _ = struct.unpack(">hhi", head)
            with self._lock:
                interrupted = key == ProduceRequest.API_KEY and self.script.interrupts(len(self.requests))
            rest = _read(connection, (size - _HEAD_BYTES) // (2 if interrupted else 1))
            if interrupted:
                with self._lock:
                    self.requests.append(Produce(len(self.requests), number, version, 0, (), time.monotonic()))
                return _reset(connection)
            request = _BY_KEY[key].decode(head + rest, version=version, header=True)
            with self._lock:
                reply = self._answer(request, number)
            _send(connection, reply)
            if reply.end == "reset":
                return _reset(connection)
            if reply.end == "close":
                return None

    # ---- requests ----

    def _answer(self, request: Any, connection: int) -> Reply:
        if isinstance(request, ProduceRequest):
            return self._produce(request, connection)
        if isinstance(request, MetadataRequest):
            self.events.append(Event("metadata"))
            return Reply(_response(request, MetadataResponse, **self._metadata(request)))
        if isinstance(request, DescribeConfigsRequest):
            self.events.append(Event("configs"))
            return Reply(_response(request, DescribeConfigsResponse, results=[self._configs()]))
        if isinstance(request, InitProducerIdRequest):
            self.events.append(Event("identity"))
            self._next_producer_id += 1
            return Reply(
                _response(
                    request, InitProducerIdResponse, error_code=0, producer_id=self._next_producer_id, producer_epoch=0
                )
            )
        return Reply(_response(request, ApiVersionsResponse, error_code=0, api_keys=self._versions()))

    def _versions(self) -> list[Any]:
        offered = {**_VERSIONS, ProduceRequest: self.produce_versions}
        return [
            ApiVersionsResponse.ApiVersion(api_key=request.API_KEY, min_version=lowest, max_version=highest)
            for request, (lowest, highest) in offered.items()
        ]

    def _metadata(self, request: Any) -> dict[str, Any]:
        described = MetadataResponse.MetadataResponseTopic
        node = MetadataResponse.MetadataResponseBroker(node_id=NODE, host="127.0.0.1", port=self._port, rack=None)
        partitions = [
            described.MetadataResponsePartition(
                error_code=0,
                partition_index=number,
                leader_id=NODE,
                leader_epoch=0,
                replica_nodes=[NODE],
                isr_nodes=[NODE],
                offline_replicas=[],
            )
            for number in range(self.partitions)
        ]
        names = [self.topic] if request.topics is None else [topic.name for topic in request.topics]
        topics = [
            described(error_code=0, name=name, topic_id=self._topic_id, is_internal=False, partitions=partitions)
            if name == self.topic
            else described(error_code=_UNKNOWN_TOPIC, name=name, is_internal=False, partitions=[])
            for name in names
        ]
        return {"brokers": [node], "cluster_id": "scripted", "controller_id": NODE, "topics": topics}

    def _configs(self) -> Any:
        result = DescribeConfigsResponse.DescribeConfigsResult
        told, self.told_limit = self.told_limit or self.limit, self._told_next()
        values = {"max.message.bytes": told, "retention.ms": -1}
        configs = [
            result.DescribeConfigsResourceResult(
                name=name,
                value=str(value),
                read_only=False,
                config_source=1,
                is_sensitive=False,
                synonyms=[],
                config_type=3,
                documentation=None,
            )
            for name, value in values.items()
        ]
        return result(error_code=0, error_message=None, resource_type=2, resource_name=self.topic, configs=configs)

    def _told_next(self) -> int | None:
        # Two ask before the first batch: the probe for its checks, the control side for the data plane.
        asked = sum(event.kind == "configs" for event in self.events)
        return self.told_limit if asked < 2 else None

    def _produce(self, request: Any, connection: int) -> Reply:
        (data,) = request.topic_data
        assert (data.name, request.acks, request.transactional_id) == (self.topic, -1, None)
        batches = tuple(Batch.of(part.index, bytes(part.records)) for part in data.partition_data)
        header = request.header
        produce = Produce(
            len(self.requests), connection, request.API_VERSION, header.correlation_id, batches, time.monotonic()
        )
        self.requests.append(produce)
        answers = ProduceResponse.TopicProduceResponse
        response = _response(
            request,
            ProduceResponse,
            responses=[answers(name=self.topic, partition_responses=[self._write(batch) for batch in batches])],
            throttle_time_ms=self.script.throttle_ms(produce),
        )
        return self.script.reply(produce, response)

    def _write(self, batch: Batch) -> Any:
        log = self.logs[batch.partition]
        before = len(log.batches)
        verdict = self.script.verdict(self, batch)
        if verdict is None:
            fits = len(batch.data) <= self.limit
            verdict = Verdict(log.append(batch) if fits else MESSAGE_TOO_LARGE)
        elif verdict.written:
            log.append(batch)
        self.events.append(Event("produce", batch, verdict.error, len(log.batches) > before))
        return ProduceResponse.TopicProduceResponse.PartitionProduceResponse(
            index=batch.partition,
            error_code=verdict.error,
            base_offset=0 if verdict.error == 0 else -1,
            log_append_time_ms=-1,
            log_start_offset=0,
            record_errors=[],
            error_message=verdict.text,
        )


def _response(request: Any, kind: Any, **values: Any) -> bytes:
    """The bytes of a response, its size field among them."""
    response = kind(version=request.API_VERSION, throttle_time_ms=values.pop("throttle_time_ms", 0), **values)
    response.with_header(correlation_id=request.header.correlation_id)
    return bytes(response.encode(header=True, framed=True))


def _read(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes; raises EOFError."""
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _send(connection: socket.socket, reply: Reply) -> None:
    if not reply.in_bytes:
        return connection.sendall(reply.data)
    for byte in reply.data:
        connection.sendall(bytes([byte]))
        time.sleep(0.001)
    return None


def _reset(connection: socket.socket) -> None:
    """Close it with RST, not FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
