"""Reads a part of a topic and puts its frames in order: Kafka on one side, frames on the other."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from fastcapa._pcap import SNAPLEN_MAX
from fastcapa.errors import RunTimeError
from fastcapa.kafka.client_log import ClientLog
from fastcapa.kafka.properties import client_error, make_client
from fastcapa.kafka.topics import Topic, unreachable
from fastcapa.read import offsets
from fastcapa.read.merge import Merge
from fastcapa.read.verify import Origin


class Frame(NamedTuple):
    """What a message says of a packet; times are ns since the epoch, lengths bytes."""

    time_ns: int
    original_length: int
    data: bytes
    exact: bool
    """Whether the time is exact to the nanosecond."""
    origin: Origin | None
    """Queue and sequence, if the message has all the headers."""


CONNECT_S = 10.0
STALL_S = 30.0
KEY_BYTES = 8

_TIME_NS_MAX = 2**63 - 1
_BATCH_MESSAGES = 4096
_WAIT_S = 0.1
_ATTEMPT_S = 2.0
# In --follow, an empty partition not known to be at its end is waited for this long: its leader may be away.
_PATIENCE_S = 5.0
# Frames that wait for another partition: all partitions together, and what a frame costs besides its bytes.
_BACKLOG_BYTES_MAX = 256 * 2**20
_BACKLOG_BYTES_MIN = 2**20  # of one partition, however many there are
_FRAME_OVERHEAD_BYTES = 300

# Properties that the user may override.
_DEFAULTS: dict[str, Any] = {
    "group.id": "fastcapa-read",  # never joined: partitions are assigned, offsets not committed
    "client.id": "fastcapa-read",
    "check.crcs": True,
    "queued.max.messages.kbytes": 16384,  # per partition
    # The default of 1 s lets the queue run empty long before it is filled again.
    "fetch.queue.backoff.ms": 10,
    # How late the end of a partition is noticed, for which frames of other partitions wait.
    "fetch.wait.max.ms": 100,
}
# Properties that the code below relies on.
_FIXED: dict[str, Any] = {
    "allow.auto.create.topics": False,
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    # An offset that retention has deleted is reported, not silently stepped over.
    "auto.offset.reset": "error",
}


def parse(message: Message) -> Frame | None:
    """Return the frame of a message as Fastcapa writes them, or None if it is none of ours."""
    key, value = message.key(), message.value()
    if key is None or len(key) != KEY_BYTES or value is None or len(value) > SNAPLEN_MAX:
        return None
    time_ns = int.from_bytes(key, "big") * 1000
    original_length = len(value)
    exact = False
    interface: bytes | None = None
    queue = sequence = -1
    headers = message.headers()
    if headers:
        for name, content in headers if isinstance(headers, list) else headers.items():
            if not isinstance(content, bytes):
                continue
            if name == "ns" and len(content) == 8:
                time_ns = int.from_bytes(content, "big")
                exact = True
            elif name == "len" and len(content) == 4:
                original_length = max(original_length, int.from_bytes(content, "big"))
            elif name == "if":
                interface = content
            elif name == "q" and len(content) == 2:
                queue = int.from_bytes(content, "big")
            elif name == "seq" and len(content) == 8:
                sequence = int.from_bytes(content, "big")
    if time_ns > _TIME_NS_MAX:
        return None
    origin = None
    if interface is not None and queue >= 0 and sequence >= 0:
        origin = Origin(interface.decode("utf-8", "replace"), queue, sequence, message.partition() or 0)
    return Frame(time_ns, original_length, value, exact, origin)


class Reader:
    """Context manager around a consumer; `batches` yields the frames of a span of the topic in order.

    `stopped` is asked at least ten times a second and ends the reading when it says so.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        topic: Topic,
        span: offsets.Span,
        *,
        follow: bool,
        stopped: Callable[[], bool],
        backlog_bytes_max: int = _BACKLOG_BYTES_MAX,
    ) -> None:
        self.not_ours = 0
        self._properties = properties
        self._topic = topic
        self._span = span
        self._follow = follow
        self._stopped = stopped
        self._backlog_bytes_max = max(backlog_bytes_max // len(topic.partitions), _BACKLOG_BYTES_MIN)
        self._log = ClientLog(properties)
        self._consumer = make_client(Consumer, {**_DEFAULTS, **properties, **_FIXED, **self._log.attachments()})
        self._merge: Merge[Frame] = Merge(topic.partitions, patience_s=_PATIENCE_S if follow else None)
        self._behind: dict[int, int] = {}  # {partition: offset to stop at} of those that have not ended
        self._paused: set[int] = set()

    def __enter__(self) -> Self:
        """Find out from where to where to read.

        Raises UsageError for an offset that is nowhere, RunTimeError for brokers out of reach: nothing is written yet.
        """
        try:
            self._spans = self._resolve()
        except BaseException:
            self._consumer.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._consumer.close()

    def batches(self) -> Iterator[list[Frame]]:
        """Yield the frames in order, some at a time; an empty list whenever nothing more is waiting.

        Raises RunTimeError if the brokers are away for longer than STALL_S (with follow: never) or something else makes
        it impossible to go on.
        """
        if self._stopped():
            return
        self._assign(self._spans)
        silent_since: float | None = None
        while not (self._stopped() or self._merge.finished):
            messages = self._consume(_BATCH_MESSAGES, 0)
            if not messages:
                yield []
                messages = self._consume(1, _WAIT_S)
            now = time.monotonic()
            if messages:
                silent_since = None
            elif not self._follow:
                silent_since = silent_since or now
                if now - silent_since > STALL_S:
                    raise self._stalled()
            self._take(messages, now)
            if frames := list(self._merge.ready(now)):
                yield frames
            self._throttle()
        if frames := list(self._merge.drain()):
            yield frames

    def _resolve(self) -> dict[int, tuple[int, int]]:
        """Return {partition: (first offset, offset behind the last)}; empty if stopped meanwhile."""
        watermarks: dict[int, tuple[int, int]] = {}
        for number in self._topic.partitions:
            partition = TopicPartition(self._topic.name, number)
            marks = self._ask(lambda timeout, p=partition: self._consumer.get_watermark_offsets(p, timeout=timeout))
            if marks is None:
                return {}
            watermarks[number] = marks

        def offsets_at(time_ms: int) -> dict[int, int]:
            wanted = [TopicPartition(self._topic.name, number, time_ms) for number in self._topic.partitions]
            found = self._ask(partial(self._consumer.offsets_for_times, wanted)) or []
            return {partition.partition: partition.offset for partition in found if partition.error is None}

        return offsets.resolve(self._span, watermarks, offsets_at)

    def _ask(self, question: Callable[..., Any]) -> Any:
        """Return the brokers' answer, asking again until CONNECT_S have passed; None if stopped meanwhile."""
        deadline = time.monotonic() + CONNECT_S
        while not self._stopped():
            try:
                return question(timeout=_ATTEMPT_S)
            except KafkaException as error:
                self._consumer.poll(0)  # serves the log
                if not error.args[0].retriable() and error.args[0].code() not in _PASSING:
                    raise client_error(error, f"topic {self._topic.name!r}") from None
                if time.monotonic() > deadline:
                    raise unreachable(self._properties, self._log, CONNECT_S) from None
                time.sleep(_WAIT_S)
        return None

    def _assign(self, spans: Mapping[int, tuple[int, int]]) -> None:
        starts: list[TopicPartition] = []
        for number, (first, behind) in spans.items():
            if self._follow or first < behind:
                starts.append(TopicPartition(self._topic.name, number, first))
                self._behind[number] = behind
            else:
                self._merge.end(number)
        if starts:
            self._consumer.assign(starts)

    def _consume(self, count: int, timeout_s: float) -> list[Message]:
        try:
            return self._consumer.consume(count, timeout_s)
        except KafkaException as error:
            raise client_error(error, f"topic {self._topic.name!r}") from None

    def _take(self, messages: list[Message], now: float) -> None:
        """Sort messages into the merge, and note where a partition ends."""
        merge, follow, behind = self._merge, self._follow, self._behind
        for message in messages:
            error = message.error()
            number = message.partition()
            offset = message.offset()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    self._judge(error, number, offset)
                elif number is not None and number in behind:
                    self._end(number)
                continue
            if number is None or offset is None or number not in behind:
                continue  # read ahead of the end that this partition has reached meanwhile
            if follow or offset < behind[number]:
                frame = parse(message)
                if frame is None:
                    self.not_ours += 1
                else:
                    merge.push(number, frame.time_ns, frame, len(frame.data) + _FRAME_OVERHEAD_BYTES, now)
            if not follow and offset + 1 >= behind[number]:
                self._end(number)

    def _end(self, number: int) -> None:
        """Note that a partition has been read as far as it is written, or as far as was asked for."""
        if self._follow:
            self._merge.idle(number)
        else:
            self._merge.end(number)
            del self._behind[number]
            self._consumer.incremental_unassign([TopicPartition(self._topic.name, number)])

    def _throttle(self) -> None:
        """Pause partitions whose frames pile up while they wait for another partition's."""
        for number in self._behind:
            backlog_bytes = self._merge.backlog_bytes(number)
            partition = TopicPartition(self._topic.name, number)
            if number not in self._paused and backlog_bytes > self._backlog_bytes_max:
                self._consumer.pause([partition])
                self._paused.add(number)
            elif number in self._paused and backlog_bytes < self._backlog_bytes_max // 2:
                self._consumer.resume([partition])
                self._paused.remove(number)

    def _judge(self, error: KafkaError, number: int | None, offset: int | None) -> None:
        """Return if reading can go on, else raise."""
        place = f"topic {self._topic.name!r}, partition {number}"
        code = error.code()
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._fail(f"{place}: the broker deleted offset {offset} before it was read (retention); read again")
        if code in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        ):
            self._fail(f"{place}: was deleted while it was read")
        if code in (KafkaError.TOPIC_AUTHORIZATION_FAILED,):
            self._fail(f"{place}: {error.str()}; let this user read it (kafka-acls.sh --allow … --operation Read)")
        if code in (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION):
            self._fail(f"{place}: offset {offset} is damaged: {error.str()}; read around it with -o")
        if error.fatal():
            self._fail(f"{place}: {error.str()}")
        # All else passes or ends in a stall: lost connections, leaders on the move, a group that is not used.

    def _stalled(self) -> RunTimeError:
        waiting = ", ".join(str(number) for number in sorted(self._behind))
        return RunTimeError(
            f"topic {self._topic.name!r}: nothing came from Kafka for {STALL_S:g} s before the end of"
            f" partition {waiting} ({self._log.cause or 'no cause known'}); what was read is written;"
            " check the brokers and read again"
        )

    @staticmethod
    def _fail(text: str) -> NoReturn:
        raise RunTimeError(text)


# Reasons to ask again, which the library does not always mark as retriable.
_PASSING = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_CACHE,
    KafkaError._RESOLVE,
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
)
