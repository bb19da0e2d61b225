"""The data plane's connections: one from each tx worker to each broker that leads a partition."""

import random
import time
from dataclasses import dataclass, field

from fastcapa.errors import RunTimeError
from fastcapa.kafka.address import Address
from fastcapa.kafka.backoff import Backoff
from fastcapa.kafka.connection import AuthenticationFailed, Connection, NotTrusted
from fastcapa.kafka.data_plane import DataPlane
from fastcapa.kafka.dialer import Dialer
from fastcapa.kafka.direct import DirectSettings
from fastcapa.kafka.tasks import Tasks
from fastcapa.kafka.topic_watch import TopicWatch
from fastcapa.kafka.troubles import Troubles

# Connections that are being made at once, over all nodes.
_DIALS_MAX = 8
# A connection is made within this, or something is wrong.
_DIAL_S = 1.0
# A new connection replaces the old one after this share of the session's time (KIP-368).
_RENEWAL = (0.8, 0.9)


@dataclass
class _Node:
    """What the connections to one node have in common."""

    backoff: Backoff
    due: float = 0.0  # no try before; monotonic, as all times here
    dialing: int = 0
    failing: bool = False  # then one try at a time: it is a probe


@dataclass
class _Link:
    """One worker's connection to one node."""

    backoff: Backoff
    wanted: bool = False
    due: float = 0.0  # no try before
    dialing: float | None = None  # since when
    made: Connection | None = None  # not yet handed over
    attached: float = 0.0  # when the last one was handed over
    renewal: float = field(default=float("inf"))  # when the next one has to be made although nobody asks


class Links:
    """Makes connections that are asked for, and those that replace one whose session ends."""

    def __init__(
        self,
        pipeline: DataPlane,
        settings: DirectSettings,
        tasks: Tasks,
        troubles: Troubles,
        *,
        dialer: Dialer,
        topic: TopicWatch,
    ) -> None:
        self._pipeline = pipeline
        self._dialer = dialer
        self._topic = topic
        self._settings = settings
        self._tasks = tasks
        self._troubles = troubles
        self._nodes: dict[int, _Node] = {}
        self._links: dict[tuple[int, int], _Link] = {}
        self._dialing = 0

    def ask(self, worker: int, node: int, reason: str) -> None:
        """Take a question of the data plane: a worker needs a connection to a node."""
        link = self._links.setdefault((worker, node), _Link(self._backoff()))
        if link.wanted:
            return
        link.wanted = True
        if reason:
            where = self._topic.metadata.nodes.get(node, "address unknown")
            self._troubles.failed(("node", node), f"connection to broker {node} ({where}) lost: {reason}")
            self._topic.want()  # it may have lost its partitions
        now = time.monotonic()
        if now - link.attached > 2 * self._settings.reconnect_backoff_max_ms / 1000:
            link.backoff.reset()
        elif link.attached:  # connections to it do not last
            link.due = now + link.backoff.next()

    def step(self) -> None:
        """Hand over what is made, and begin to make what is due."""
        now = time.monotonic()
        leading = set(self._topic.metadata.leader_nodes)
        for (worker, number), link in self._links.items():
            if link.made is not None:
                self._hand_over(worker, number, link, link.made)
            if link.renewal <= now and not link.dialing:
                link.renewal, link.wanted = float("inf"), True
            if link.dialing is not None and number in leading and now - link.dialing > _DIAL_S:
                self._topic.want()  # it does not even refuse: others may lead by now
            if not link.wanted or link.dialing is not None or link.made is not None or link.due > now:
                continue
            # A node that leads nothing is not needed; its address is whatever the newest metadata say.
            address = self._topic.metadata.nodes.get(number)
            if number in leading and address is not None:
                self._dial(worker, number, link, address, now)

    def renew(self) -> None:
        """Make a new connection in place of each one that was handed over, as before the end of a session."""
        for link in self._links.values():
            if link.attached:
                link.renewal = 0.0

    def close(self) -> None:
        """Close what was not handed over."""
        for link in self._links.values():
            if link.made is not None:
                link.made.close()

    def _backoff(self) -> Backoff:
        return Backoff(self._settings.reconnect_backoff_ms / 1000, self._settings.reconnect_backoff_max_ms / 1000)

    def _dial(self, worker: int, number: int, link: _Link, address: Address, now: float) -> None:
        node = self._nodes.setdefault(number, _Node(self._backoff()))
        if now < node.due or self._dialing >= _DIALS_MAX or (node.failing and node.dialing):
            return
        link.dialing = now
        node.dialing += 1
        self._dialing += 1

        def ended(result: Connection | Exception) -> None:
            link.dialing = None
            node.dialing -= 1
            self._dialing -= 1
            if isinstance(result, RunTimeError):
                self._failed(number, node, result)
            elif isinstance(result, Exception):
                raise result
            else:
                node.failing = False
                node.backoff.reset()
                link.made = result
                self._hand_over(worker, number, link, result)

        self._tasks.start(lambda: self._dial_for_produce(address), ended)

    def _dial_for_produce(self, address: Address) -> Connection:
        connection = self._dialer.dial(address)
        try:
            connection.produce_version(self._settings.produce_version_min)
        except RunTimeError:
            connection.close()
            raise
        return connection

    def _failed(self, number: int, node: _Node, error: RunTimeError) -> None:
        refused = isinstance(error, AuthenticationFailed | NotTrusted)
        # Two keys: that we do not accept each other must not wait until a minute after it was lost.
        self._troubles.failed(("refused" if refused else "node", number), f"broker {number}: {error}; trying again")
        node.failing = True
        node.due = time.monotonic() + (node.backoff.at_most() if refused else node.backoff.next())
        self._topic.want()  # it may have moved, or be gone for good

    def _hand_over(self, worker: int, number: int, link: _Link, made: Connection) -> None:
        version = made.produce_version(self._settings.produce_version_min)
        if not self._pipeline.direct_connection(worker, number, made.take(), version):
            return
        now = time.monotonic()
        link.made, link.wanted, link.attached, link.due = None, False, now, 0.0
        if made.session_ends is not None:
            link.renewal = now + (made.session_ends - now) * random.uniform(*_RENEWAL)  # noqa: S311 -- no secret
        text = f"connected to broker {number} ({made.address}) again"
        self._troubles.worked(("node", number), text, ("refused", number))
