"""Keeps the data plane's picture of the topic up to date: leaders, number of partitions, size of a batch."""

import time

from fastcapa.errors import RunTimeError
from fastcapa.kafka.backoff import Backoff
from fastcapa.kafka.cluster import Cluster
from fastcapa.kafka.connection import AuthenticationFailed, ConnectionFailed, NotTrusted, error_name
from fastcapa.kafka.data_plane import DataPlane
from fastcapa.kafka.direct import DirectSettings
from fastcapa.kafka.metadata import NO_LEADER, Metadata
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.troubles import Troubles

# MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE: somebody has lowered the topic's limit.
_TOO_LARGE = (10, 18)

# What a refresh brings: the metadata, and the topic's limit if that was asked for and told.
_News = tuple[Metadata, int | None]


class TopicWatch:
    """Metadata on demand, while something is wrong with it, and every now and then."""

    def __init__(
        self,
        pipeline: DataPlane,
        cluster: Cluster,
        settings: DirectSettings,
        tasks: Tasks,
        troubles: Troubles,
        *,
        topic: str,
        batch_bytes_max: int,
    ) -> None:
        """`batch_bytes_max` holds until a broker tells the topic's own limit."""
        self.metadata = Metadata()
        self._pipeline = pipeline
        self._cluster = cluster
        self._topic = topic
        self._interval_s = settings.metadata_refresh_s
        self._tasks = tasks
        self._troubles = troubles
        self._batch_bytes_max = batch_bytes_max
        self._message_bytes_max = settings.message_bytes_max
        self._backoff = Backoff(settings.retry_backoff_ms / 1000, settings.retry_backoff_max_ms / 1000)
        self._unreachable = Backoff(settings.reconnect_backoff_ms / 1000, settings.reconnect_backoff_max_ms / 1000)
        self._calm_s = 2 * settings.retry_backoff_max_ms / 1000
        self._due = float("inf")  # of the next refresh; monotonic, as all times here
        self._not_before = 0.0  # after a failure: no wish makes it come sooner
        self._refreshed = 0.0
        self._running = False
        self._asked = False  # by the data plane, which waits for an answer even if nothing has changed
        self._ask_limit = True
        self._published: tuple[list[int], int] | None = None

    def prepare(self) -> None:
        """Publish for the first time. Blocks; raises RunTimeError, for what may still come ConnectionFailed."""
        news = self._refresh(limit=True)
        metadata, _ = news
        if metadata.missing:
            raise ConnectionFailed(f"topic {self._topic!r} does not exist; create it with kafka-topics.sh --create")
        if metadata.error:
            raise RunTimeError(f"topic {self._topic!r}: {error_name(metadata.error)}; check the rights of this user")
        if NO_LEADER in metadata.leader_nodes:
            partition = metadata.leader_nodes.index(NO_LEADER)
            raise ConnectionFailed(f"topic {self._topic!r}: partition {partition} has no leader")
        self._take(news)

    def ask(self, partition: int, error: int) -> None:
        """Take a question of the data plane: something is wrong with what it was told of a partition."""
        self._asked = True
        self._ask_limit = self._ask_limit or error in _TOO_LARGE
        self.want()

    def want(self) -> None:
        """Refresh soon: what we know seems to be wrong."""
        now = time.monotonic()
        if now - self._refreshed > self._calm_s:
            self._backoff.reset()
            self._due = min(self._due, now)
        elif self._due > now + self._calm_s:
            self._due = now + self._backoff.next()

    def step(self) -> None:
        """Begin what is due."""
        if self._running or time.monotonic() < max(self._due, self._not_before):
            return
        self._running = True
        limit = self._ask_limit
        self._tasks.start(lambda: self._refresh(limit=limit), self._refresh_ended)

    def _refresh(self, *, limit: bool) -> _News:
        metadata = self._cluster.metadata()
        return metadata, self._cluster.batch_bytes_max() if limit and not metadata.error else None

    def _refresh_ended(self, result: _News | Exception) -> None:
        self._running = False
        if isinstance(result, RunTimeError):
            refused = isinstance(result, AuthenticationFailed | NotTrusted)
            # Two keys: that we do not accept each other must not wait until a minute after nobody answered.
            key = "metadata refused" if refused else "metadata"
            self._troubles.failed(key, f"cannot refresh the topic's metadata: {result}")
            wait_s = self._unreachable.at_most() if refused else self._unreachable.next()
            self._due = time.monotonic() + wait_s
            # Who was refused may be locked out; who found nobody may be told that somebody has come back.
            self._not_before = time.monotonic() + (wait_s if refused else min(wait_s, self._calm_s))
        elif isinstance(result, Exception):
            raise result
        else:
            self._unreachable.reset()
            self._troubles.worked("metadata", "the topic's metadata can be refreshed again", "metadata refused")
            self._take(result)

    def _take(self, news: _News) -> None:
        metadata, limit = news
        self._refreshed = time.monotonic()
        self.metadata = metadata.after(self.metadata)
        if limit is not None:
            self._batch_bytes_max = limit
        self._ask_limit = False
        if metadata.error:
            gone = "does not exist any more" if metadata.missing else error_name(metadata.error)
            self._troubles.failed("topic", f"topic {self._topic}: {gone}; trying again")
        else:
            self._troubles.worked("topic", f"topic {self._topic} is there again")
        self._publish()
        if metadata.error or NO_LEADER in self.metadata.leader_nodes:
            self._due = self._refreshed + self._backoff.next()
        elif self._interval_s is not None:
            self._due = self._refreshed + self._interval_s
            self._ask_limit = True
        else:
            self._due = float("inf")

    def _publish(self) -> None:
        limit = min(self._batch_bytes_max, self._message_bytes_max)
        current = (list(self.metadata.leader_nodes), limit)
        if self._asked or current != self._published:
            self._pipeline.direct_topic(*current)
        self._asked = False
        self._published = current
