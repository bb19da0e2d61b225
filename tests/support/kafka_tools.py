"""Kafka's own command-line tools: the Java client as a reader, and what a broker's log files hold."""

from __future__ import annotations

import re
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import jars
from cluster import JVM, Cluster

from support.kafka_reader import Record

CREATE_TIME = b"CreateTime"


def console_consumer(bootstrap: str, topic: str, count: int, *, timeout: float = 60) -> list[Record]:
    """The first `count` records of a topic as the Java client has them, ordered by partition and offset.

    The console consumer writes bytes as they are; between them it gets marks that are in no frame.
    """
    mark = secrets.token_hex(16)
    field_mark, header_mark, line_mark = f"<field {mark}>", f"<header {mark}>", f"<line {mark}>"
    shown = ("timestamp", "partition", "offset", "headers", "key", "value")
    properties = [f"print.{name}=true" for name in shown]
    properties += [f"key.separator={field_mark}", f"headers.separator={header_mark}", f"line.separator={line_mark}"]
    properties += [f"null.literal=<null {mark}>"]
    options = ["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning", "--max-messages", str(count)]
    options += ["--timeout-ms", str(round(1000 * timeout))]
    options += [word for text in properties for word in ("--property", text)]
    output = _run("org.apache.kafka.tools.consumer.ConsoleConsumer", *options, timeout=timeout + 30)
    *lines, rest = output.split(line_mark.encode())
    assert rest == b"", rest
    records = [_record(line.split(field_mark.encode()), header_mark.encode()) for line in lines]
    return sorted(records, key=lambda record: (record.partition, record.offset))


def _record(fields: list[bytes], header_mark: bytes) -> Record:
    timestamp, partition, offset, headers, key, value = fields
    kind, _, timestamp_ms = timestamp.partition(b":")
    assert kind == CREATE_TIME, timestamp
    pairs = [] if headers == b"NO_HEADERS" else [header.split(b":", 1) for header in headers.split(header_mark)]
    return Record(
        int(partition.removeprefix(b"Partition:")),
        int(offset.removeprefix(b"Offset:")),
        key,
        value,
        int(timestamp_ms),
        0,
        [(name.decode(), content) for name, content in pairs],
    )


@dataclass(frozen=True)
class LoggedBatch:
    """A record batch in a broker's log; every field of both as the tool prints it."""

    fields: dict[str, str]
    records: list[dict[str, str]] = field(default_factory=list)


def dump_log(cluster: Cluster, topic: str) -> dict[int, list[LoggedBatch]]:
    """The batches of a topic in the log files of the cluster's first node, by partition, in their order."""
    files = sorted((cluster.nodes[0].directory / "data").glob(f"{topic}-*/*.log"))
    output = _run("kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, files)), timeout=60)
    logs: dict[int, list[LoggedBatch]] = {}
    batches: list[LoggedBatch] = []
    for line in output.decode().splitlines():
        fields = dict(re.findall(r"(\w+): (\S+)", line))
        if line.startswith("Dumping "):
            batches = logs.setdefault(int(Path(line.removeprefix("Dumping ")).parent.name.rpartition("-")[2]), [])
        elif line.startswith("baseOffset: "):
            batches.append(LoggedBatch(fields))
        elif line.startswith("| offset: "):
            batches[-1].records.append(fields)
        else:  # what else it has to say is about damage
            assert line.startswith("Log starting offset: "), line
    return logs


def set_produce_quota(bootstrap: str, client_id: str, bytes_per_second: int | None) -> None:
    """Let a client write so much and no more, to each broker; None: as much as it wants."""
    change = "--delete-config=producer_byte_rate"
    if bytes_per_second is not None:
        change = f"--add-config=producer_byte_rate={bytes_per_second}"
    entity = ("--entity-type", "clients", "--entity-name", client_id)
    _run("kafka.admin.ConfigCommand", "--bootstrap-server", bootstrap, "--alter", change, *entity, timeout=60)


def _run(program: str, *words: str, timeout: float) -> bytes:
    """One of the tools' standard output; fails the test if the tool fails."""
    java = jars.find_program("java", "default-jre-headless")
    command = [java, *JVM, "-cp", f"{jars.resolve()}/*", program, *words]
    result = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return result.stdout
