"""tools/kafka, as its user and as the fixtures use it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster
from kafka import KafkaConsumer, KafkaProducer
from ports import pick
from process import Process, spawn
from support.kafka_reader import read_all
from support.need import need
from support.netns import namespace

TOOL = Path(__file__).parents[2] / "tools" / "kafka"


@pytest.fixture(autouse=True)
def _java() -> None:
    need(shutil.which("java"), "no Java; apt-get install default-jre-headless")


class Tool:
    """The command line with a runtime directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(TOOL), "--directory", str(self.directory), *words]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=200, check=False, env=os.environ | environment
        )


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Tool]:
    tool = Tool(tmp_path / "run")
    yield tool
    tool("down")


def _produce(bootstrap: str, topic: str, value: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    producer.send(topic, key=b"k", value=value, timestamp_ms=1000).get(timeout=30)
    producer.close()


def test_up_again_and_down_again(tool: Tool) -> None:
    (port,) = pick("127.0.0.1", 1)
    first = tool("up", "--port", str(port))
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"127.0.0.1:{port}\n"

    # The tool has ended; what it started has not.
    again = tool("up", "--port", str(port))
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "already running" in again.stderr

    _produce(f"127.0.0.1:{port}", "anything", b"value")
    assert [record.value for record in read_all(f"127.0.0.1:{port}", "anything")] == [b"value"]

    down = tool("down")
    assert down.returncode == 0
    assert "stopped" in down.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
    again = tool("down")
    assert again.returncode == 0
    assert "not running" in again.stderr


def test_a_taken_port_is_one_line_with_a_remedy(tool: Tool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = tool("up", "--port", str(port))
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert f"port {port} of 127.0.0.1 is taken" in result.stderr
    assert "choose another" in result.stderr


def test_no_java_is_one_line_with_a_remedy(tool: Tool, tmp_path: Path) -> None:
    result = tool("up", PATH=str(tmp_path))
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "java is not installed: run `make setup`" in result.stderr


def test_down_never_signals_a_process_that_took_over_the_id(tool: Tool) -> None:
    (port,) = pick("127.0.0.1", 1)
    bystander = spawn(["sleep", "60"], Path(os.devnull), die_with_parent=True)
    try:
        tool.directory.mkdir()
        state = f'{{"host": "127.0.0.1", "config": {{}}, "prefix_command": [], "nodes": [[1, {port}, 1, '
        (tool.directory / "state.json").write_text(f'{state}{bystander.pid}, "an earlier boot:1"]]}}')
        assert "not running" in tool("down").stderr
        assert bystander.alive()
    finally:
        bystander.signal(signal.SIGKILL)
        assert bystander.wait(5)


def test_a_fixture_dies_with_its_process(tmp_path: Path) -> None:
    code = f"""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, {str(TOOL)!r})
        from cluster import Cluster
        cluster = Cluster(Path({str(tmp_path / "run")!r}))
        cluster.start()
        process = cluster.nodes[0].process
        print(process.pid, process.birth, flush=True)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200).stdout.split()
    orphan = Process(int(output[0]), output[1])
    assert orphan.wait(5)


def test_topics_keep_old_records_and_are_fresh(kafka: str, topic: str) -> None:
    _produce(kafka, topic, b"old")
    (record,) = read_all(kafka, topic)
    assert (record.key, record.value, record.timestamp_ms, record.timestamp_type) == (b"k", b"old", 1000, 0)


def test_without_auto_create_a_topic_stays_unknown(kafka_without_auto_create: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=kafka_without_auto_create)
    assert not consumer.partitions_for_topic("nobody-made-this")
    consumer.close()
    with pytest.raises(LookupError):
        read_all(kafka_without_auto_create, "nobody-made-this")


def test_three_nodes_survive_the_loss_of_one(tmp_path: Path) -> None:
    with Cluster(tmp_path / "run", nodes=3, config={"broker.session.timeout.ms": "4000"}) as cluster:
        _produce(cluster.bootstrap, "replicated", b"before")
        cluster.kill(2)
        _produce(cluster.bootstrap, "replicated", b"during")
        cluster.restart(2)
        cluster.pause(3)
        time.sleep(0.1)
        cluster.resume(3)
        cluster.restart(1)
        values = {record.value for record in read_all(cluster.bootstrap, "replicated")}
        assert values == {b"before", b"during"}
    assert not cluster.alive()


def test_in_a_namespace_and_reached_from_outside(tmp_path: Path) -> None:
    with (
        namespace(address="10.213.7.1") as inside,
        Cluster(tmp_path / "run", host="10.213.7.2", port=9092, prefix_command=inside.prefix) as cluster,
    ):
        _produce(cluster.bootstrap, "across", b"value")
        assert [record.value for record in read_all(cluster.bootstrap, "across")] == [b"value"]
