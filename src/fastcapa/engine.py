"""The engine: the supervisor's child, started afresh. It holds the EAL, the packet memory and the workers.

`python -m fastcapa.engine FD`: FD is one end of the socket to the supervisor, see channel.py. When the other end
closes, the supervisor is gone: the engine drains and ends.
"""

import os
import queue
import select
import shutil
import signal
import socket
import sys
import syslog
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastcapa import _dataplane, confinement, stats
from fastcapa.channel import Channel, Settings
from fastcapa.config import CaptureConfig, Source, SourceKind
from fastcapa.devargs import is_pci
from fastcapa.errors import RunTimeError
from fastcapa.host import process
from fastcapa.kafka import secret_properties
from fastcapa.kafka.direct import direct_settings
from fastcapa.plan import Plan
from fastcapa.rows import SourceRow, WorkerRow
from fastcapa.rules import Rules
from fastcapa.signals import STOP_SIGNALS

if TYPE_CHECKING:
    from fastcapa.kafka.control import Control

POLL_S = 0.02
SNAPSHOT_S = 1.0
# Stopped while it starts, a run still ends with its report if Kafka answers within this.
PATIENCE_S = 1.0
# Extended statistics in a report; a NIC with many queues has thousands.
XSTATS_MAX = 1024

_KINDS = {
    SourceKind.FILE: _dataplane.SOURCE_FILE,
    SourceKind.INTERFACE: _dataplane.SOURCE_INTERFACE,
    SourceKind.DEVICE: _dataplane.SOURCE_ETHDEV,
    SourceKind.MEMORY: _dataplane.SOURCE_MEMORY,
}


class Engine:
    """One run of the pipeline."""

    def __init__(self, channel: Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings
        # Seconds for the drain, once it has been asked for; that may be before there is a pipeline.
        self._drain_s: float | None = None
        self._started = time.monotonic()
        self._cpu_started = time.process_time()
        self._delivered = 0
        self._delivered_at = self._started
        self._pipeline: _dataplane.Pipeline | None = None
        self._control: Control | None = None
        self._patience_ends = 0.0  # monotonic
        self._rules: Rules | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()  # writer: any thread; reader: this one, for the log

    def run(self) -> None:
        """Start the EAL, which a process can do once, and run the pipeline to its end."""
        _start_eal(self._settings.config, self._settings.plan)
        self.run_pipeline()

    def run_pipeline(self) -> None:
        """Open, start, watch, drain, and send the final report."""
        config, plan = self._settings.config, self._settings.plan
        pipeline = self._pipeline = _dataplane.Pipeline(
            rx_burst=config.rx_burst,
            rx_attempts=config.rx_attempts,
            tx_ring=config.tx_ring,
            tx_workers=config.tx_workers,
            tx_burst=config.tx_burst,
            count=config.count,
            filter=config.filter,
            headers=config.headers,
            topic=config.topic,
            partitions=self._settings.partitions,
            value_bytes_max=self._settings.value_bytes_max,
            partition=config.partition,
            properties=config.properties if self._settings.producer == "librdkafka" else {},
            direct=self._direct_settings(),
        )
        self._control = self._make_control(pipeline)
        for index, source in enumerate(config.sources):
            pipeline.add_source(**_source_arguments(config, plan, self._settings.exclude, source, index))
        level, line = confinement.before_packets(config, self._settings.producer)
        self._channel.send({"type": "log", "level": level, "text": line})
        if self._control is not None:
            self._patience_ends = time.monotonic() + PATIENCE_S
            self._control.prepare(self._gives_up)
        self._cpu_started = time.process_time()
        pipeline.start(list(plan.worker_cpus))
        if self._control is not None:
            self._control.start()
        confinement.when_running(config)
        self._started = time.monotonic()
        self._rules = Rules(pipeline, config.filter, config.snaplen)
        clocks = [f"{source.name}: {row['clock']}" for source, row in self._named_sources(pipeline)]
        self._channel.send({"type": "started", "clocks": clocks})
        if self._drain_s is not None:
            self.stop(self._drain_s)
        self._watch(pipeline)
        self._finish(pipeline)

    def _direct_settings(self) -> "_dataplane.DirectSettings | None":
        """Return the data plane's part of the direct producer's settings, None for librdkafka."""
        config = self._settings.config
        if self._settings.producer == "librdkafka":
            return None
        settings = direct_settings(config.properties)
        spills = config.spill is not None
        return {
            "client_id": settings.client_id,
            "codec": settings.codec,
            "codec_level": settings.codec_level,
            "linger_us": settings.linger_us,
            "batch_bytes_max": settings.batch_bytes_max,
            "buffer_bytes": config.buffer_memory << 20,
            "request_timeout_ms": settings.request_timeout_ms,
            # What can wait on the disk is never too old.
            "delivery_timeout_ms": 0 if spills else settings.delivery_timeout_ms,
            "retry_backoff_ms": settings.retry_backoff_ms,
            "retry_backoff_max_ms": settings.retry_backoff_max_ms,
            "spill_directory": config.spill or "",
            "spill_bytes_max": config.spill_max,
            "spill_sync": config.spill_sync,
        }

    def _make_control(self, pipeline: _dataplane.Pipeline) -> "Control | None":
        config = self._settings.config
        if self._settings.producer == "librdkafka":
            return None
        from fastcapa.kafka.control import Control  # noqa: PLC0415 -- a third of a second, and not needed by librdkafka

        return Control(
            pipeline,
            direct_settings(config.properties),
            config.topic,
            workers=len(config.sources) * config.rx_queues * config.tx_workers,
            batch_bytes_max=self._settings.batch_bytes_max,
            log=self._lines.put,
        )

    def _gives_up(self) -> bool:
        """Whether a stop was asked for while nothing runs that it could stop, and Kafka does not answer soon."""
        if not self._channel.closed and select.select([self._channel], [], [], 0)[0]:
            self._receive_commands()
        if self._drain_s is None and not self._channel.closed:
            self._patience_ends = time.monotonic() + PATIENCE_S
        return time.monotonic() > self._patience_ends

    def close(self) -> None:
        """Free what is left after a failure."""
        if self._control is not None:
            self._control.stop()
        if self._pipeline is not None:
            self._pipeline.close()

    def _named_sources(self, pipeline: _dataplane.Pipeline) -> Iterator[tuple[Source, SourceRow]]:
        return zip(self._settings.config.sources, pipeline.sources(), strict=True)

    def _report(self, pipeline: _dataplane.Pipeline) -> stats.Report:
        # Downstream first, so that a snapshot never shows more going out than came in.
        workers = pipeline.workers()
        sources = self._settings.config.sources
        report = stats.report(
            workers,
            pipeline.sources(),
            [source.name for source in sources],
            seconds=time.monotonic() - self._started,
            producer=self._settings.producer,
            brokers=pipeline.brokers(),
        ) | {"cost": self._cost(), "rules": self._rules.report() if self._rules is not None else {}}
        if self._settings.config.xstats:
            for index, (source, row) in enumerate(zip(sources, report["sources"], strict=True)):
                if source.kind is SourceKind.DEVICE:
                    row["xstats"], count = pipeline.xstats(index, XSTATS_MAX)
                    row["xstats_left_out"] = count - len(row["xstats"])
        return report

    def stop(self, timeout_s: float) -> None:
        """Begin the drain, or shorten it."""
        self._drain_s = timeout_s
        if self._pipeline is not None:
            self._pipeline.stop(int(timeout_s * 1000))

    def _watch(self, pipeline: _dataplane.Pipeline) -> None:
        """Serve commands and send snapshots until all workers have ended."""
        config = self._settings.config
        snapshot_due = time.monotonic()  # the first one at once: whatever becomes of this engine, it has been there
        while True:
            self._serve_commands()
            pipeline.watch()
            self._change_rules()
            self._send_events(pipeline)
            workers = pipeline.workers()
            self._note_delivery(workers)
            if all(row["state"] == "done" for row in workers):
                return
            if self._drain_s is None and self._over(workers):
                self.stop(config.drain_timeout)
            if time.monotonic() >= snapshot_due:
                self._channel.send({"type": "snapshot", "report": self._report(pipeline)})
                # Late, it does not catch up: two snapshots with next to no time between them have no rates.
                snapshot_due = max(snapshot_due + SNAPSHOT_S, time.monotonic() + SNAPSHOT_S / 2)

    def _note_delivery(self, workers: list[WorkerRow]) -> None:
        delivered = sum(row["counters"]["delivered"] for row in workers if row["role"] == "tx")
        if delivered != self._delivered:
            self._delivered, self._delivered_at = delivered, time.monotonic()

    def _cost(self) -> dict[str, float]:
        """Return what the run took, from the start of the workers on."""
        return {
            # User and system time of all threads of this process; the supervisor adds its own.
            "cpu_seconds": time.process_time() - self._cpu_started,
            # Until the last acknowledgement, to POLL_S: the end of the drain may wait for a library's statistics.
            "delivery_seconds": self._delivered_at - self._started,
            "cycles_per_second": _dataplane.cycles_per_second(),
        }

    def _over(self, workers: list[WorkerRow]) -> bool:
        """Whether the drain has to begin: the supervisor or the control side is gone, all sources have ended, ..."""
        if self._channel.closed or (self._control is not None and self._control.failed):
            return True
        duration = self._settings.config.duration
        if duration and time.monotonic() - self._started >= duration:
            return True
        # A tx worker fails only for good: nothing that comes in could be delivered any more.
        return all(row["state"] == "done" or row["failed"] for row in workers if row["role"] == "rx") or any(
            row["failed"] for row in workers if row["role"] == "tx"
        )

    def _serve_commands(self) -> None:
        if self._channel.closed:
            time.sleep(POLL_S)
            return
        if not select.select([self._channel], [], [], POLL_S)[0]:
            return
        self._receive_commands()

    def _receive_commands(self) -> None:
        for message in self._channel.receive():
            if "stop" in message:
                self.stop(message["stop"])
                continue
            if "properties" in message:
                self._use_credentials(message["properties"])
            if "filter" in message and self._rules is not None:
                self._rules.want(message["filter"], message["snaplen"])

    def _use_credentials(self, properties: dict[str, str]) -> None:
        if self._control is None:
            return
        try:
            self._control.use(direct_settings(properties))
        except RunTimeError as error:
            self._lines.put(f"new credentials are not used: {error}")

    def _change_rules(self) -> None:
        if self._rules is not None and (line := self._rules.look()) is not None:
            level, text = line
            self._channel.send({"type": "log", "level": level, "text": text})

    def _send_events(self, pipeline: _dataplane.Pipeline) -> None:
        while not self._lines.empty():
            self._channel.send({"type": "log", "level": syslog.LOG_WARNING, "text": self._lines.get()})
        for level, text in pipeline.events():
            self._channel.send({"type": "log", "level": level, "text": text})

    def _finish(self, pipeline: _dataplane.Pipeline) -> None:
        if self._control is not None:
            self._control.stop()
        self._send_events(pipeline)
        report = self._report(pipeline)
        failed = [row["role"] for row in pipeline.workers() if row["failed"]]
        ended_by_failure = bool(failed) or (self._control is not None and self._control.failed)
        # Before the closing: a Kafka library that resolves names may take half a minute for that.
        self._channel.send(
            {"type": "final", "report": report, "source_failed": "rx" in failed, "failed": ended_by_failure}
        )
        self._pipeline = None  # a signal must not stop what is closed
        self._channel.send({"type": "closed", "mbufs_missing": pipeline.close()})


def _start_eal(config: CaptureConfig, plan: Plan) -> None:
    try:
        _dataplane.eal_start(_eal_arguments(config, plan))
    finally:
        # The EAL leaves a directory behind. Only processes that share memory would use it, and we do not. The
        # supervisor made it, and removes it if we die before this.
        shutil.rmtree(os.environ["RUNTIME_DIRECTORY"], ignore_errors=True)


def _eal_arguments(config: CaptureConfig, plan: Plan) -> list[str]:
    # Lcore 0 is this thread, on all control CPUs; the workers are threads of our own, registered later.
    control = ",".join(map(str, plan.control_cpus))
    arguments = ["fastcapa", f"--lcores=0@({control})", "--no-telemetry", "--no-shconf", "--log-level=warning"]
    if plan.hugepages:
        arguments += ["--in-memory"]  # no files in hugetlbfs: nothing is left behind by a crash
    else:
        arguments += ["--no-huge", "-m", str((plan.memory_bytes >> 20) + 1)]
    pci = [s.name for s in config.sources if s.kind is SourceKind.DEVICE and is_pci(s.name)]
    arguments += [f"--allow={name}" for name in pci] if pci else ["--no-pci"]
    return arguments


def _source_arguments(
    config: CaptureConfig, plan: Plan, exclude: dict[str, str], source: Source, index: int
) -> dict[str, Any]:
    return {
        "kind": _KINDS[source.kind],
        "name": source.name,
        "rx_queues": config.rx_queues,
        "rx_descriptors": config.rx_descriptors,
        "buffer_bytes": config.rx_buffer_mb << 20,
        "snaplen": config.snaplen,
        "mbufs": plan.mbufs[index],
        "numa_node": plan.nodes[index],
        "frame_bytes": source.frame_bytes,
        "packets": source.packets,
        "promiscuous": config.promiscuous,
        "timestamps_now": config.timestamps == "now",
        # A file waits for us: spinning for it would only take CPU time from Kafka's side.
        "backoff": plan.backoff or not source.live,
        "exclude": exclude.get(source.name, "") if source.kind is SourceKind.INTERFACE else "",
    }


def main() -> int:
    """Run the engine on the socket whose descriptor is the first argument."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    messages: list[dict[str, Any]] = []
    while not messages:
        messages += channel.receive()
        if channel.closed:
            return 1
    settings = Settings.model_validate(messages[0])
    if secret_properties.held(settings.config.properties):
        process.forbid_dumps()
    engine = Engine(channel, settings)
    # Ctrl-C goes to the whole process group: the supervisor decides what it means. A service manager's SIGTERM drains.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: engine.stop(settings.config.drain_timeout))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    for message in messages[1:]:
        engine.stop(message["stop"])
    try:
        engine.run()
    except _dataplane.DataplaneError as error:
        channel.send({"type": "error", "text": str(error), "errno": error.errno})
        return 1
    except RunTimeError as error:
        channel.send({"type": "error", "text": str(error), "errno": 0})
        return 1
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
