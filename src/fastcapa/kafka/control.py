"""The control side of the direct producer: serves what the data plane asks for, on a thread of its own.

The data plane never connects, resolves a name or authenticates. It asks for connections, metadata and producer ids
(dataplane.h, "the direct producer's control side"); here they are made, with back-off, and handed over. What blocks
runs on short-lived threads (tasks.py), so that a broker that does not answer delays nothing else.
"""

import threading
import time
from collections.abc import Callable

from fastcapa.errors import RunTimeError
from fastcapa.kafka.backoff import Backoff
from fastcapa.kafka.cluster import Cluster, NotYet
from fastcapa.kafka.connection import AuthenticationFailed, ConnectionFailed, Interrupted
from fastcapa.kafka.data_plane import DataPlane
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import DirectSettings
from fastcapa.kafka.identity import Identities
from fastcapa.kafka.links import Links
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.topic_watch import TopicWatch
from fastcapa.kafka.troubles import Troubles
from fastcapa.threads import start_thread

# How often the data plane's questions are looked for: fifty looks a second cost about 0.2 % of a CPU.
POLL_S = 0.02
PREPARE_S = 10.0
_STOP_S = 5.0
_PAUSE_S = 0.05


class Control:
    """The control side of one pipeline."""

    def __init__(
        self,
        pipeline: DataPlane,
        settings: DirectSettings,
        topic: str,
        *,
        workers: int,
        batch_bytes_max: int,
        log: Callable[[str], None],
    ) -> None:
        """Read the TLS files; raises RunTimeError naming the one that is wrong.

        `workers`: tx workers over all rings. `batch_bytes_max`: the topic's limit, for brokers that do not tell it.
        `log` gets each line for the user, on any thread.
        """
        self._pipeline = pipeline
        self._topic = topic
        self._log = log
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._cancelled: Callable[[], bool] = self._stopping.is_set
        self.failed = False
        """Whether the thread ended although nobody stopped it; writer: its thread."""
        self._renewal = threading.Event()  # writers: use(), on any thread, sets; the thread clears
        dialer = self._dialer = Dialer(settings, self._is_cancelled)
        self._backoff = Backoff(settings.reconnect_backoff_ms / 1000, settings.reconnect_backoff_max_ms / 1000)
        self._tasks = Tasks("fc-control-task")
        troubles = Troubles(log)
        self._cluster = Cluster(settings, dialer, topic)
        self._topic_watch = TopicWatch(
            pipeline, self._cluster, settings, self._tasks, troubles, topic=topic, batch_bytes_max=batch_bytes_max
        )
        self._identities = Identities(pipeline, self._cluster, settings, self._tasks, troubles, workers=workers)
        self._links = Links(pipeline, settings, self._tasks, troubles, dialer=dialer, topic=self._topic_watch)

    def _is_cancelled(self) -> bool:
        return self._cancelled()  # another one while preparing

    def prepare(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Find a broker and the topic, and get the producer ids; before the pipeline starts.

        Waits up to PREPARE_S for what may still come. Raises RunTimeError with one line that says what is wrong, also
        when `cancelled` says so.
        """
        self._cancelled = cancelled
        deadline = time.monotonic() + PREPARE_S
        try:
            self._persist(self._topic_watch.prepare, deadline)
            self._persist(self._identities.prepare, deadline)
        finally:
            self._cancelled = self._stopping.is_set

    def _persist(self, step: Callable[[], None], deadline: float) -> None:
        """Repeat a step until it works; what time alone does not mend is raised at once."""
        while True:
            try:
                return step()
            except (AuthenticationFailed, Interrupted):
                raise
            except (ConnectionFailed, NotYet) as error:
                wait_until = time.monotonic() + self._backoff.next()
                if wait_until > deadline:
                    raise RunTimeError(f"Kafka is not ready within {PREPARE_S:g} s: {error}") from None
            while time.monotonic() < wait_until:
                if self._cancelled():
                    raise Interrupted("interrupted while waiting for Kafka")
                time.sleep(_PAUSE_S)

    def start(self) -> None:
        """Serve from now on; after pipeline.start()."""
        self._thread = start_thread("fc-control", self._run)

    def use(self, settings: DirectSettings) -> None:
        """Make connections as whom the settings say from now on, also in place of those that are there. Any thread.

        Reads the TLS files; raises RunTimeError naming the one that is wrong, and then goes on as before.
        """
        self._dialer.use(settings)
        self._renewal.set()

    def stop(self) -> None:
        """End; before the pipeline is closed. Connections that the data plane has are its own."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
        self._links.close()
        self._cluster.close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._tasks.serve(POLL_S)
                self._step()
        except Exception as error:
            self.failed = True
            self._log(f"the direct producer's control side failed: {error!r}: a defect, please report it")

    def _step(self) -> None:
        while (question := self._pipeline.direct_next()) is not None:
            need, worker, node, partition, error, reason = question
            if need == "connection":
                self._links.ask(worker, node, reason)
            elif need == "topic":
                self._topic_watch.ask(partition, error)
            else:
                self._identities.ask(worker, reason)
        if self._renewal.is_set():
            self._renewal.clear()
            self._links.renew()
        self._topic_watch.step()
        self._identities.step()
        self._links.step()
