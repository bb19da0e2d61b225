"""What goes wrong in a soak, drawn from a seeded generator: the same seed makes the same faults in the same order."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from signal import SIGABRT, SIGKILL, SIGSEGV

from kafka.errors import InvalidPartitionsError, KafkaError

from support.live import wait_until
from support.soak.lanes import Lane
from support.trio import NODES, REPLICAS, Trio

RECOVERY_S = 180
PARTITIONS_MAX = 12


@dataclass
class Fault:
    """One that has happened. Times in seconds from the start of the load."""

    name: str
    what: str
    began: float
    ended: float = 0.0
    """Everything was as it should be again: nodes run, replicas are in sync."""


@dataclass
class Faults:
    """Makes them, one at a time."""

    trio: Trio
    lanes: list[Lane]
    random: random.Random
    clock: Callable[[], float]
    longest_s: float
    """Of outages; the shortest take a quarter of it."""

    def names(self) -> Iterator[str]:
        """An endless sequence: each of them in turn, in an order that is drawn anew each time."""
        names = [name.removeprefix("_do_") for name in vars(Faults) if name.startswith("_do_")]
        while True:
            self.random.shuffle(names)
            yield from names

    def happen(self, name: str) -> Fault:
        """Let it happen, and be over."""
        fault = Fault(name.replace("_", " "), "", self.clock())
        do: Callable[[], str] = getattr(self, f"_do_{name}")
        fault.what = do()
        for topic in self._topics:
            wait_until(partial(self.trio.in_sync, topic), timeout=RECOVERY_S)
        fault.ended = self.clock()
        return fault

    @property
    def _topics(self) -> list[str]:
        return [lane.topic for lane in self.lanes]

    def _pause(self) -> float:
        """The outage itself."""
        seconds = self.random.uniform(self.longest_s / 4, self.longest_s)
        time.sleep(seconds)
        return seconds

    def _do_node_killed(self) -> str:
        node = self.random.choice(NODES)
        self.trio.cluster.kill(node)
        seconds = self._pause()
        self.trio.cluster.restart(node)
        return f"node {node} killed, {seconds:.1f} s later started again"

    def _do_two_nodes_killed(self) -> str:
        nodes = sorted(self.random.sample(NODES, 2))
        for node in nodes:
            self.trio.cluster.kill(node)
        seconds = self._pause()
        self.trio.cluster.restart(*nodes)
        return f"nodes {nodes} killed, {seconds:.1f} s later started again"

    def _do_node_frozen(self) -> str:
        node = self.random.choice(NODES)
        self.trio.cluster.pause(node)
        seconds = self._pause()
        self.trio.cluster.resume(node)
        return f"node {node} frozen for {seconds:.1f} s"

    def _do_network_cut(self) -> str:
        self.trio.inside.run("ip", "link", "set", "up0", "down")
        seconds = self._pause()
        self.trio.inside.run("ip", "link", "set", "up0", "up")
        return f"no network for {seconds:.1f} s"

    def _do_connections_reset(self) -> str:
        before = self.trio.proxy.resets
        with self.trio.proxy.resetting():
            seconds = self._pause()
        return f"{self.trio.proxy.resets - before} connections reset within {seconds:.1f} s"

    def _do_leaders_moved(self) -> str:
        turn = self.random.choice((1, 2))
        for topic in self._topics:
            order = {part: nodes[turn:] + nodes[:turn] for part, nodes in REPLICAS.items()}
            self._until_done(partial(self.trio.reassign, topic, order))
            self._until_done(partial(self.trio.lead_first, topic, order), answer=True)
        return f"leaders moved by {turn}"

    def _do_partitions_added(self) -> str:
        wanted = {topic: self.trio.partitions(topic) + 1 for topic in self._topics}
        if max(wanted.values()) > PARTITIONS_MAX:
            return "no more partitions"
        with suppress(InvalidPartitionsError):  # the client has repeated what was done already
            self._until_done(partial(self.trio.admin.create_partitions, wanted))
        return f"partitions: {max(wanted.values())}"

    def _do_hung_up(self) -> str:
        for lane in self.lanes:
            lane.hang_up()
        return "SIGHUP to all, with another configuration"

    def _do_engine_killed(self) -> str:
        number = self.random.choice((SIGKILL, SIGSEGV, SIGABRT))
        before = {lane.name: lane.kills for lane in self.lanes}
        for lane in self.lanes:
            if lane.kind.restart:
                lane.kill_engine(number)
        # The next one receives: one that dies before that would not count as a restart.
        wait_until(lambda: all(lane.restarts_said() >= lane.kills for lane in self.lanes), timeout=RECOVERY_S)
        return f"{number.name} to the engines of " + "; ".join(
            lane.name for lane in self.lanes if lane.kills > before[lane.name]
        )

    def _until_done(self, request: Callable[[], object], answer: object = None) -> None:
        """Ask the cluster for a change, until it is so; a client whose connections are gone fails at first."""
        deadline = time.monotonic() + RECOVERY_S
        while True:
            try:
                if request() is answer or answer is None:
                    return
            except InvalidPartitionsError:
                raise
            except KafkaError:
                self.trio.reconnect()
            assert time.monotonic() < deadline, "the cluster does not do it"
            time.sleep(0.2)
