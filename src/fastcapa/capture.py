"""A capture from the checked configuration to its outcome: what has to be right first, then the engine."""

import errno
import os
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from fastcapa import _dataplane, confinement, devargs, own_traffic, plan, spill
from fastcapa._pcap import CaptureFileError, CaptureReader
from fastcapa.channel import Settings
from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.errors import Exit, RunTimeError, UsageError
from fastcapa.host import capabilities
from fastcapa.kafka import description, library, topics
from fastcapa.kafka.direct import NotDirect, direct_settings
from fastcapa.kafka.properties import BOOTSTRAP, bootstrap_servers
from fastcapa.log import Level, Log
from fastcapa.monitor import Monitor
from fastcapa.restart import Restarts
from fastcapa.signals import Stop, nothing
from fastcapa.stats import lost, unseen_seconds
from fastcapa.supervisor import NoMemoryError, Outcome, Supervisor

BROKER_TIMEOUT_S = 10.0
ETHERNET = 1  # DLT_EN10MB, LINKTYPE_ETHERNET
# Record batch header (61 bytes, Kafka's message format v2) and the most a record with our key adds around its value.
BATCH_OVERHEAD_BYTES = 61 + 40
# Five headers (if, q, seq, ns, len) with the lengths of their names and values, but for the interface's name.
HEADERS_BYTES = 64
# The client's own limit (message.max.bytes), which it also takes for the size of a batch.
LIBRARY_MESSAGE_BYTES = 1_000_000

ProducerName = Literal["direct", "librdkafka"]
_NAMES: Mapping[ProducerName, str] = {"direct": "the direct producer", "librdkafka": "librdkafka"}


class Capture:
    """One capture."""

    def __init__(
        self,
        config: CaptureConfig,
        log: Log,
        monitor: Monitor | None = None,
        *,
        reload: Callable[[], dict[str, Any]] | None = None,
        started: Callable[[], None] = nothing,
    ) -> None:
        """`log` gets each line for the user, `monitor` what is heard of the engine.

        `reload` answers SIGHUP with what the engine is to be told; `started` is called whenever an engine receives.
        """
        self._config = config
        self._log = log
        self._monitor = monitor or Monitor()
        self._reload = reload
        self._started = started
        self._told: dict[str, Any] = {}  # what an engine was told since the start, which the next one begins with

    def run(self, stop: Stop) -> Outcome:
        """Check, start, run to the end. Raises UsageError before anything starts, RunTimeError for what fails."""
        config = self._config
        machine = plan.Machine.here()
        the_plan, oldest_ns = self._prepare(machine)
        producer, why = choose_producer(config)
        topic = _describe(config, stop)
        if oldest_ns and config.timestamps == "source":
            self._warn_of_retention(topic, min(oldest_ns))
        exclude = own_traffic.exclusions(
            [source.name for source in config.sources if source.kind is SourceKind.INTERFACE],
            [*topic.brokers, *bootstrap_servers(config.properties)],
            self._log,
            keep=config.include_own_traffic,
        )
        names = ", ".join(source.name for source in config.sources)
        self._log(
            f"{names} -> topic {topic.name} ({len(topic.partitions)} partitions) at"
            f" {config.properties[BOOTSTRAP]}, through {_NAMES[producer]}{why}"
        )
        if producer == "librdkafka":
            for warning in library.warnings(config.properties):
                self._log(warning, Level.WARNING)
        settings = self._settings(the_plan, topic, producer, exclude)
        self._log_notes(the_plan)
        if not config.restart:
            return self._supervise(settings, machine, stop, self._started)

        def start(rest: CaptureConfig, note_start: Callable[[], None]) -> Outcome:
            def started() -> None:
                self._started()
                note_start()

            newest = rest.model_copy(update=self._told)
            return self._supervise(settings.model_copy(update={"config": newest}), machine, stop, started)

        return Restarts(settings.config, self._log, start, self._monitor.began).run(stop)

    def _answer_hang_up(self) -> dict[str, Any]:
        command = self._reload() if self._reload is not None else {}
        self._told |= command
        return command

    def prepare(self) -> plan.Plan:
        """Check everything that can be known without a broker, and return the plan; raises as run() does."""
        return self._prepare(plan.Machine.here())[0]

    def _prepare(self, machine: plan.Machine) -> tuple[plan.Plan, list[int]]:
        """Return the plan and the times, ns, of the first frames of files."""
        config = self._config
        check(config)
        producer, why = choose_producer(config)
        direct = producer == "direct"
        spill.check(config, producer, why)
        confinement.check(config)
        the_plan = plan.make(config, machine, plan.source_nodes(config), direct=direct)
        return the_plan, [time for source in config.sources if (time := self._check_source(source)) is not None]

    def _supervise(
        self, settings: Settings, machine: plan.Machine, stop: Stop, started: Callable[[], None] = nothing
    ) -> Outcome:
        """Run an engine, without hugepages if it does not get them; `started` is called when it receives."""
        try:
            return self._supervisor(settings, started).run(stop)
        except NoMemoryError as error:
            if not settings.plan.hugepages:
                if error.number == errno.ENOMEM:
                    raise RunTimeError(f"{error} ({_memory_remedy(settings.plan)})") from None
                raise
            # Others took them after the plan was made, or they are not all of the kind that DPDK can use.
            self._log(f"no hugepages after all ({error})", Level.WARNING)
        nodes, direct = plan.source_nodes(self._config), settings.producer == "direct"
        smaller = plan.make(self._config, machine.without_hugepages(), nodes, direct=direct)
        self._log_notes(smaller)
        return self._supervisor(settings.model_copy(update={"plan": smaller}), started).run(stop)

    def _supervisor(self, settings: Settings, started: Callable[[], None]) -> Supervisor:
        return Supervisor(settings, self._log, started, self._monitor, reload=self._answer_hang_up)

    def _log_notes(self, the_plan: plan.Plan) -> None:
        for note in the_plan.notes:
            self._log(note)

    def _check_source(self, source: Source) -> int | None:
        """Return the time of a file's first frame, ns, or None; raise RunTimeError if it cannot be captured from."""
        if source.kind is SourceKind.INTERFACE:
            _check_interface(source.name)
        if source.kind is SourceKind.DEVICE:
            _check_device(source.name)
        if source.kind is not SourceKind.FILE:
            return None
        path = Path(source.name)
        if path.exists() and not path.is_file() and not path.is_dir():
            raise RunTimeError(f"{path}: is not a regular file, and what is read twice has to be one; save it first")
        try:
            if path.stat().st_size == 0:
                raise RunTimeError(f"{path}: is empty; a capture file has a header at least")
            with CaptureReader(source.name) as reader:
                if reader.link_type != ETHERNET:
                    raise RunTimeError(
                        f"{source.name}: link type is {reader.link_type_name} ({reader.link_type_description}),"
                        " only Ethernet (EN10MB) can be sent"
                    )
                first = next(iter(reader), None)
        except OSError as error:
            raise RunTimeError(f"cannot read {source.name}: {error.strerror}") from None
        except CaptureFileError as error:
            raise RunTimeError(f"{source.name}: {error}; a whole file in pcap or pcapng format is needed") from None
        return first[0] if first is not None else None

    def _warn_of_retention(self, topic: topics.Topic, oldest_ns: int) -> None:
        oldest = datetime.fromtimestamp(oldest_ns / 1e9, UTC)
        age_ms = (datetime.now(UTC) - oldest).total_seconds() * 1000
        if topic.retention_ms is None or age_ms <= topic.retention_ms:
            return
        self._log(
            f"warning: frames from {oldest:%Y-%m-%d} are older than the topic keeps (retention.ms ="
            f" {topic.retention_ms}): Kafka will delete them; set retention.ms=-1 on the topic, or give"
            " --timestamps now"
        )

    def _settings(
        self, the_plan: plan.Plan, topic: topics.Topic, producer: ProducerName, exclude: dict[str, str]
    ) -> Settings:
        config = self._config
        wanted = _number(config.properties.get("message.max.bytes", str(LIBRARY_MESSAGE_BYTES)))
        limit = min(wanted, topic.max_message_bytes or wanted)
        properties = config.properties
        if producer == "librdkafka":  # which does not ask the topic; the direct producer does, all the time
            properties = {**properties, "message.max.bytes": str(max(limit, 1000))}
            if "ssl" in properties.get("security.protocol", "").lower():
                # The system's authorities, wherever this system has them: see kafka/authorities.py.
                properties = {"ssl.ca.location": "probe", **properties}
        return Settings(
            config=config.model_copy(update={"properties": properties}),
            plan=the_plan,
            partitions=len(topic.partitions),
            value_bytes_max=max(limit - BATCH_OVERHEAD_BYTES - self._header_bytes(), 0),
            exclude=exclude,
            producer=producer,
            batch_bytes_max=topic.max_message_bytes or LIBRARY_MESSAGE_BYTES,
        )

    def _header_bytes(self) -> int:
        """Return the most that message headers take."""
        if not self._config.headers:
            return 0
        return HEADERS_BYTES + max(len(os.fsencode(source.name)) for source in self._config.sources)


def _describe(config: CaptureConfig, stop: Stop) -> topics.Topic:
    if description.needed(config.properties):
        return description.describe(config.properties, config.topic, BROKER_TIMEOUT_S, cancelled=stop.requested)
    return topics.describe(config.properties, config.topic, BROKER_TIMEOUT_S, create=True, cancelled=stop.requested)


def _memory_remedy(the_plan: plan.Plan) -> str:
    return (
        f"{the_plan.memory_bytes >> 20} MiB were asked for packets; use a smaller --tx-ring or fewer --rx-queues, or"
        " raise the limit of the cgroup or of `ulimit -v`"
    )


def _check_interface(name: str) -> None:
    """Raise RunTimeError for an interface that is not there, before a topic is created for it."""
    if name == "any":
        return  # libpcap's own
    try:
        socket.if_nametoindex(name)
    except (OSError, ValueError):
        raise RunTimeError(f"no such interface: {name} (`ip link` lists them)") from None
    if capabilities.missing((capabilities.NET_RAW,)):
        raise RunTimeError(f"no permission to capture on {name}: run as root or with the capability CAP_NET_RAW")


def _check_device(name: str) -> None:
    """Raise an error for a device that cannot be opened so, or not by this user: some drivers only say it failed."""
    if (option := devargs.wrong_number(name)) is not None:
        raise UsageError(f"--device {name}: {option} is not a number; write for example {option.partition('=')[0]}=64")
    if lacking := capabilities.missing(capabilities.of_device(name)):
        raise RunTimeError(f"no permission to open {name}: run as root or with {lacking}")


def check(config: CaptureConfig) -> None:
    """Raise UsageError for a filter or a Kafka property that the libraries do not take."""
    try:
        in_kernel = all(source.kind is SourceKind.INTERFACE for source in config.sources)
        _dataplane.filter_check(config.filter, in_kernel=in_kernel)
    except _dataplane.DataplaneError as error:
        raise UsageError(f"filter '{config.filter}': {error} (see pcap-filter(7))") from None
    for key, value in config.properties.items():
        try:
            _dataplane.property_check(key, value)
        except _dataplane.DataplaneError as error:
            text = " ".join(str(error).split())
            raise UsageError(f"{text} (-X and -F take librdkafka's)") from None
    if "transactional.id" in config.properties:
        raise UsageError("Kafka property 'transactional.id': a capture is no transaction; remove it from -X and -F")
    for key in _not_idempotent(config.properties):
        raise UsageError(
            f"Kafka property '{key}': {config.properties[key]} would allow gaps or duplicates; if they may be, add"
            " -X enable.idempotence=false"
        )


def choose_producer(config: CaptureConfig) -> tuple[ProducerName, str]:
    """Return the producer, and what is to be said about the choice: "", or a reason in brackets.

    Raises UsageError when the direct one is wanted and cannot be.
    """
    if config.producer == "librdkafka":
        return "librdkafka", ""
    try:
        direct_settings(config.properties)
    except NotDirect as error:
        if config.producer == "direct":
            raise UsageError(f"--producer direct: {error}; change it, or take --producer librdkafka") from None
        return "librdkafka", f" ({error})"
    return "direct", ""


def _number(text: str) -> int:
    """Return a number that librdkafka has accepted: decimal, or 0x and hexadecimal."""
    return int(text, 0)


def _not_idempotent(properties: Mapping[str, str]) -> list[str]:
    """Return the properties that librdkafka's idempotent producer, which is our default, cannot work with."""
    if "enable.idempotence" in properties:
        return []  # the user knows, and so does the library
    needs: dict[str, Callable[[str], bool]] = {
        "acks": lambda value: value in ("all", "-1"),
        "request.required.acks": lambda value: value in ("all", "-1"),
        "retries": lambda value: _number(value) > 0,
        "message.send.max.retries": lambda value: _number(value) > 0,
        "max.in.flight": lambda value: _number(value) <= 5,
        "max.in.flight.requests.per.connection": lambda value: _number(value) <= 5,
    }
    return [key for key, fits in needs.items() if key in properties and not fits(properties[key])]


def exit_code(config: CaptureConfig, outcome: Outcome, log: Log) -> Exit:
    """Return the exit code and say why it is not 0."""
    report = outcome.report
    kafka = report["kafka"]
    if outcome.crashed is not None:
        log(outcome.crashed, Level.ERROR)
    if report["mbufs_missing"]:
        log(f"{report['mbufs_missing']} packet buffers did not come back: a defect, please report it", Level.ERROR)
    if outcome.source_failed:
        log("the source failed before its end; what it gave until then is counted above", Level.ERROR)
        return Exit.RUN_TIME_FAILURE
    if kafka["failed"]:
        when = "stopped at once" if outcome.stopped_at_once else f"the drain took {config.drain_timeout:g} s"
        why = f"{kafka['abandoned']} given up ({when})" if kafka["abandoned"] else "see above"
        log(f"Kafka at {config.properties[BOOTSTRAP]} did not take {kafka['failed']} packets: {why}", Level.ERROR)
    unseen_s = unseen_seconds(report)
    if config.fail_on_loss and (lost(report) or unseen_s):
        more = f", besides what nobody saw in {unseen_s:.1f} s" if unseen_s else ""
        log(f"{lost(report)} packets were lost{more}, and --fail-on-loss is set", Level.ERROR)
        return Exit.LOSS
    return Exit.RUN_TIME_FAILURE if kafka["failed"] or outcome.crashed is not None else Exit.DONE
