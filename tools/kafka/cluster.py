"""A scratch cluster of Apache Kafka in KRaft mode: every node is broker and controller.

The command line (`__main__.py`) and the test fixtures use this same class. The one lets the cluster
outlive its process and finds it again through the state file, the others take it down with them.
"""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import jars
import ports
from errors import KafkaToolError
from process import Process, spawn

# Measured on two cores, one node, until it answers: 3.5 s, or 1.6 s with the class archive (below).
START_SECONDS = 90.0
# A clean stop takes 0.3 s; the one that writes the class archive 4 s.
STOP_SECONDS = 20.0
LOGGING = Path(__file__).with_name("log4j2.properties")
STARTED = "Kafka Server started"
# C1 alone and the serial collector start faster and leave more of a small machine to what is tested.
JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass
class Node:
    """One broker with its controller. Ids count from 1."""

    number: int
    port: int
    controller_port: int
    directory: Path
    process: Process | None = None
    listeners: dict[str, int] = field(default_factory=dict)
    """Ports of the cluster's additional listeners, by name."""
    version: str | None = None
    """The release of Kafka that it runs; None: the one that is pinned."""

    @property
    def log(self) -> Path:
        """Everything that the node prints."""
        return self.directory / "node.log"

    @property
    def properties(self) -> Path:
        """Its server.properties."""
        return self.directory / "server.properties"

    def alive(self) -> bool:
        """Whether its process runs (or is paused)."""
        return self.process is not None and self.process.alive()


class Cluster:
    """One or three nodes on one address.

    `directory` is the cluster's own: start() empties it. `port` is the first broker's, the others
    follow it; None takes free ones. `config` adds to server.properties or overrides it.
    `listeners` are more of them, security protocol by name (a word in capitals); what else they need
    is in `config`, under `listener.name.<name in small letters>.`; address() tells where they are.
    `advertised` are the ports of a listener, a node each, that clients are told instead of its own:
    something stands in between. `version` is the release of Kafka to begin with.
    `prefix_command` starts the nodes elsewhere, for example `("ip", "netns", "exec", name)`, where
    `host` is an address and 127.0.0.1 is up. `die_with_parent`: see process.spawn().
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        port: int | None = None,
        host: str = "127.0.0.1",
        config: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        advertised: Mapping[str, Sequence[int]] | None = None,
        version: str | None = None,
        prefix_command: Sequence[str] = (),
        die_with_parent: bool = True,
    ) -> None:
        self.directory = directory.absolute()
        self.host = host
        self.config = dict(config or {})
        self.listeners = dict(listeners or {})
        self.advertised = dict(advertised or {})
        self.prefix_command = tuple(prefix_command)
        self.die_with_parent = die_with_parent
        if port is None:
            brokers = ports.pick("127.0.0.1" if prefix_command else host, nodes)
        else:
            brokers = list(range(port, port + nodes))
        free = [p for p in ports.pick("127.0.0.1", (2 + len(self.listeners)) * nodes) if p not in brokers]
        self.nodes = [
            Node(number, broker, controller, self.directory / f"node-{number}", version=version)
            for number, (broker, controller) in enumerate(zip(brokers, free, strict=False), start=1)
        ]
        others = iter(free[nodes:])
        for node in self.nodes:
            node.listeners = {name: next(others) for name in self.listeners}

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """The cluster that was left running with this directory; None if there is none."""
        try:
            state = json.loads((directory / "state.json").read_text())
        except FileNotFoundError:
            return None
        cluster = cls(
            directory,
            host=state["host"],
            config=state["config"],
            prefix_command=state["prefix_command"],
            die_with_parent=False,
        )
        cluster.nodes = [
            Node(number, port, controller_port, cluster.directory / f"node-{number}", Process(pid, birth))
            for number, port, controller_port, pid, birth in state["nodes"]
        ]
        return cluster

    @property
    def bootstrap(self) -> str:
        """Addresses of all brokers, as clients take them."""
        return ",".join(f"{self.host}:{node.port}" for node in self.nodes)

    def address(self, listener: str) -> str:
        """Addresses of all brokers on an additional listener."""
        return ",".join(f"{self.host}:{node.listeners[listener]}" for node in self.nodes)

    def alive(self) -> bool:
        """Whether every node runs."""
        return all(node.alive() for node in self.nodes)

    def start(self) -> None:
        """Start with empty logs; return when every broker answers and knows all the others."""
        java = jars.find_program("java", "default-jre-headless")
        for node in self.nodes:
            if not self.prefix_command and not ports.is_free(self.host, node.port):
                raise KafkaToolError(
                    f"port {node.port} of {self.host} is taken: stop what listens there "
                    f"(see `ss -ltnp`), or choose another port"
                )
        shutil.rmtree(self.directory, ignore_errors=True)
        for node in self.nodes:
            node.directory.mkdir(parents=True)
            settings = self._settings(node)
            node.properties.write_text("".join(f"{key}={settings[key]}\n" for key in settings))
        self._format(java)
        try:
            for node in self.nodes:
                self._spawn(node)
            self._save()
            self._wait(self.nodes)
        except BaseException:  # an interrupt too must leave nothing running
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes: ask, and after a bounded time kill."""
        # All at once: a node cannot leave in good order once the quorum is gone.
        for node in self.nodes:
            if node.process is not None and node.process.signal(signal.SIGTERM):
                node.process.signal(signal.SIGCONT)  # a paused node must hear it
        deadline = time.monotonic() + STOP_SECONDS
        for node in self.nodes:
            self._reap(node, deadline - time.monotonic())
        (self.directory / "state.json").unlink(missing_ok=True)

    def kill(self, number: int) -> None:
        """End a node as a crash would."""
        self._reap(self._node(number), 0)

    def pause(self, number: int) -> None:
        """Freeze a node: its connections stay open and nothing answers."""
        self._signal(number, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a paused node go on."""
        self._signal(number, signal.SIGCONT)

    def restart(self, *numbers: int, version: str | None = None) -> None:
        """Stop nodes that run, and start them again with their data; return when they answer.

        All at once, for without a majority none would get ready. `version`: the release of Kafka from now on.

        After kill() this takes up to broker.session.timeout.ms (9 s): until then the controller
        holds the old incarnation for alive and refuses the new one.
        """
        nodes = [self._node(number) for number in numbers]
        for node in nodes:
            if node.process is not None and node.process.signal(signal.SIGTERM):
                node.process.signal(signal.SIGCONT)
                self._reap(node, STOP_SECONDS)
            node.log.rename(node.log.with_suffix(".old.log"))  # the wait reads the new one only
            node.version = version or node.version
            self._spawn(node)
        self._save()
        self._wait(nodes)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _node(self, number: int) -> Node:
        return self.nodes[number - 1]

    def _signal(self, number: int, which: signal.Signals) -> None:
        process = self._node(number).process
        if process is None or not process.signal(which):
            raise KafkaToolError(f"node {number} does not run")

    def _settings(self, node: Node) -> dict[str, str]:
        replicas = str(len(self.nodes))
        in_sync = str(len(self.nodes) // 2 + 1)
        ports_by_name = {"PLAINTEXT": node.port, **node.listeners}
        brokers = [f"{name}://{self.host}:{port}" for name, port in ports_by_name.items()]
        told = ports_by_name | {name: ports[node.number - 1] for name, ports in self.advertised.items()}
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **self.listeners}
        voters = ",".join(f"{other.number}@127.0.0.1:{other.controller_port}" for other in self.nodes)
        return {
            "process.roles": "broker,controller",
            "node.id": str(node.number),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join([*brokers, f"CONTROLLER://127.0.0.1:{node.controller_port}"]),
            "advertised.listeners": ",".join(f"{name}://{self.host}:{port}" for name, port in told.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "log.dirs": str(node.directory / "data"),
            "auto.create.topics.enable": "true",
            "num.partitions": "4",
            "default.replication.factor": replicas,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": in_sync,
            # Kafka's 50 partitions each would be most of the work of a small cluster's start and stop.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            "group.initial.rebalance.delay.ms": "0",
            **self.config,
        }

    def _format(self, java: str) -> None:
        """Give every node's empty log directory the cluster's id."""
        cluster_id = "-"
        while cluster_id.startswith("-"):  # the tool would take it for an option
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        options = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config"]
        running = [
            subprocess.Popen(
                [*self._java(java, node), *options, str(node.properties)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for node in self.nodes
        ]
        outputs = [process.communicate()[0] for process in running]
        for process, output in zip(running, outputs, strict=True):
            if process.returncode != 0:
                last = (output.strip().splitlines() or ["no message"])[-1]
                raise KafkaToolError(f"Kafka could not format its log directory: {last}")

    @staticmethod
    def _java(java: str, node: Node, archive: Sequence[str] | None = None) -> list[str]:
        """The command for a program of the node's release, up to its class; `archive` is another than the ready one."""
        logging = f"-Dlog4j2.configurationFile={LOGGING}"
        if archive is None:
            archive = _class_archive(node)
        return [java, *JVM, *archive, logging, "-cp", f"{jars.resolve(node.version)}/*"]

    def _spawn(self, node: Node) -> None:
        java = jars.find_program("java", "default-jre-headless")
        archive = _class_archive(node)
        if not archive and node is self.nodes[0]:
            archive = [f"-XX:ArchiveClassesAtExit={self._new_archive}"]
        command = [*self._java(java, node, archive), "kafka.Kafka", str(node.properties)]
        node.process = spawn([*self.prefix_command, *command], node.log, die_with_parent=self.die_with_parent)

    def _wait(self, nodes: Sequence[Node]) -> None:
        deadline = time.monotonic() + START_SECONDS
        for node in nodes:
            while not self._ready(node):
                if not node.alive() or time.monotonic() > deadline:
                    what = "did not get ready in time" if node.alive() else "ended while it started"
                    cause = _cause(node.log)
                    raise KafkaToolError(f"Kafka's node {node.number} {what}: {cause} (all of it: {node.log})")
                time.sleep(0.05)

    def _ready(self, node: Node) -> bool:
        if STARTED not in node.log.read_text(errors="replace"):
            return False
        if self.prefix_command:  # its address may be out of our reach
            return True
        known = sum(other.alive() for other in self.nodes)
        return ports.brokers_seen_by(self.host, node.port) >= known

    def _reap(self, node: Node, patience: float) -> None:
        """Wait for the end of a node that was asked to stop; kill it when the patience is over."""
        if node.process is None:
            return
        if not node.process.wait(max(patience, 0)):
            node.process.signal(signal.SIGKILL)
            node.process.wait(STOP_SECONDS)
        elif node is self.nodes[0] and self._new_archive.exists():  # its writer ended in good order
            self._new_archive.replace(_archive_path(node))
        node.process = None

    def _save(self) -> None:
        state = {
            "host": self.host,
            "config": self.config,
            "prefix_command": self.prefix_command,
            "nodes": [
                (node.number, node.port, node.controller_port, node.process.pid, node.process.birth)
                for node in self.nodes
                if node.process is not None
            ],
        }
        (self.directory / "state.json").write_text(json.dumps(state))

    # A class archive (JEP 350) halves the time of a start. The first node that starts without one
    # writes it when it ends; the JVM ignores one that does not fit it.

    @property
    def _new_archive(self) -> Path:
        return self.directory / "classes.jsa"


def _class_archive(node: Node) -> list[str]:
    path = _archive_path(node)
    return [f"-XX:SharedArchiveFile={path}"] if path.exists() else []


def _archive_path(node: Node) -> Path:
    """Beside the node's jars; another JVM is another archive."""
    java = Path(jars.find_program("java", "default-jre-headless")).stat()
    return jars.resolve(node.version) / f"classes-{java.st_mtime_ns:x}.jsa"


def _cause(log: Path) -> str:
    """The line of a node's log that best says why it failed."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if "Exception" in line or "ERROR" in line), (lines or ["no output"])[-1])
