"""The tools that are compared: how each is started, when it listens, what it says at its end, and its CPU time."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outcome import DELIMITER, Reading, told_by_loop, told_by_probe, told_by_tcpdump
from support.netns import Namespace

RING_MIB = 32  # of the kernel, for every tool
# The others leave in the kernel's ring what Kafka is not ready for; the probe's rx worker empties it, and its own ring
# has to hold that.
RING_PACKETS = 65536
END_S = 120
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Pipeline:
    """One tool, or several with pipes between them."""

    name: str
    command: Callable[[str, str, str], list[str]]
    """Of interface, bootstrap and topic."""
    listening: str
    """What it says on standard error when it receives."""
    stop: str
    """The process that is told to end, by its name: the rest ends behind it. "": the one that was started."""
    told: Callable[[str, str], int]
    """Losses from its standard output and standard error."""
    take: Callable[[Reading, bytes], None]
    """Counts one of its messages."""


def pipelines(python: Path) -> list[Pipeline]:
    """Return them all; `python` has pcapy-ng and confluent-kafka."""
    return [
        _probe("direct"),
        _probe("direct", "--tx-ring", str(RING_PACKETS)),
        _probe("librdkafka", "--tx-ring", str(RING_PACKETS)),
        Pipeline(
            "tcpdump -w - | kcat",
            _tcpdump,
            "listening on",
            "tcpdump",
            lambda _, words: told_by_tcpdump(words),
            Reading.take_piece,
        ),
        Pipeline(
            "libpcap, confluent-kafka",
            lambda *names: [str(python), str(Path(__file__).with_name("pcap_loop.py")), *names, str(RING_MIB)],
            "listening",
            "",
            lambda words, _: told_by_loop(words),
            Reading.take,
        ),
    ]


def _probe(producer: str, *more: str) -> Pipeline:
    def command(interface: str, bootstrap: str, topic: str) -> list[str]:
        words = [sys.executable, "-m", "fastcapa", "capture", "-i", interface, "-b", bootstrap, "-t", topic]
        options = ["--rx-buffer-mb", str(RING_MIB), "--oversubscribe", "--stats", "none", "--report", "-"]
        return [*words, *options, "--producer", producer, *more]

    return Pipeline(
        " ".join((f"fastcapa, {producer}", *more)),
        command,
        "timestamps of",
        "",
        lambda words, _: told_by_probe(json.loads(words)),
        Reading.take,
    )


def _tcpdump(interface: str, bootstrap: str, topic: str) -> list[str]:
    # -Z root: it would give up root and could not be told to end by who has fewer privileges. -p -1 is kcat's default.
    dump = ["tcpdump", "-i", interface, "-w", "-", "-B", str(RING_MIB << 10), "-Z", "root"]
    kcat = ["kcat", "-P", "-b", bootstrap, "-t", topic, "-D", "".join(f"\\x{byte:02x}" for byte in DELIMITER)]
    return ["bash", "-c", f"{shlex.join(dump)} | {shlex.join(kcat)}"]


class Running:
    """A pipeline that listens."""

    def __init__(self, pipeline: Pipeline, inside: Namespace, bootstrap: str, topic: str) -> None:
        """Start it; raise RuntimeError if it ends before it listens."""
        self._pipeline = pipeline
        self._process = subprocess.Popen(
            [*inside.prefix, *pipeline.command(inside.capture, bootstrap, topic)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None  # noqa: S101 -- a pipe, as asked for
        lines = []
        for line in self._process.stderr:
            lines.append(line)
            if pipeline.listening in line:
                break
        else:
            self._process.wait()
            raise RuntimeError(f"{pipeline.name} did not start: {''.join(lines)}")
        self._output: list[str] = ["", ""]
        pipes = (self._process.stdout, self._process.stderr)
        self._readers = [threading.Thread(target=self._read, args=pair) for pair in enumerate(pipes)]
        for reader in self._readers:
            reader.start()
        self._before = sum(map(_cpu_seconds, _tree(self._process.pid)))

    def end(self) -> tuple[int, float]:
        """Tell it to end, and wait; return what it says it lost, and its CPU seconds since it listened."""
        process, name = self._process, self._pipeline.stop
        wanted = [pid for pid in _tree(process.pid) if name in ("", _name(pid))]
        os.kill(wanted[0] if name else process.pid, signal.SIGINT)
        watch = threading.Timer(END_S, process.kill)
        watch.start()
        # What it has waited for is in it: the engine of a supervisor, both ends of a shell's pipe.
        _, status, usage = os.wait4(process.pid, 0)
        watch.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        for reader in self._readers:
            reader.join()
        if process.returncode != 0:
            raise RuntimeError(f"{self._pipeline.name}: exit {process.returncode}: {self._output[1][-2000:]}")
        told = self._pipeline.told(*self._output)
        return told, usage.ru_utime + usage.ru_stime - self._before

    def kill(self) -> None:
        """End what is left of it, after an error."""
        if self._process.returncode is not None:
            return
        for pid in reversed(_tree(self._process.pid)):
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _read(self, place: int, pipe: object) -> None:
        self._output[place] = pipe.read()  # type: ignore[attr-defined]


def _tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in thread.read_text().split():
            found += _tree(int(child))
    return found


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process and of those it has waited for, proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICK_S
