"""Runs the probe as a user does, and checks what every run has to fulfil."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Report = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that has ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def report(self) -> Report:
        """The final report; the run had `--report -`."""
        report: Report = json.loads(self.stdout)
        return report


def command(*arguments: str) -> list[str]:
    """The command line of a subcommand."""
    return [sys.executable, "-m", "fastcapa", *map(str, arguments)]


def property_words(properties: Mapping[str, str]) -> list[str]:
    """Kafka properties as options of a command line."""
    return [word for name, value in properties.items() for word in ("-X", f"{name}={value}")]


def fastcapa(*arguments: str, prefix: Sequence[str] = (), timeout: float = 120) -> Run:
    """Run a subcommand to its end. Fails if it takes longer than `timeout` seconds or shows a traceback."""
    result = subprocess.run(
        [*prefix, *command(*arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return Run(result.returncode, result.stdout, result.stderr)


def capture(
    bootstrap: str, topic: str, *arguments: str, prefix: Sequence[str] = (), timeout: float = 120, status: int = 0
) -> Report:
    """Run a capture to its end; its final report, in which every packet is accounted for."""
    options = ["-b", bootstrap, "-t", topic, "--oversubscribe", "--report", "-"]
    run = fastcapa("capture", *options, *arguments, prefix=prefix, timeout=timeout)
    assert run.status == status, run.stderr
    assert_identity(run.report)
    return run.report


def start(*arguments: str, prefix: Sequence[str] = (), report: Path | None = None) -> subprocess.Popen[str]:
    """Start a subcommand; the caller ends it (finish() does)."""
    options = () if report is None else ("--report", str(report))
    return subprocess.Popen(
        [*prefix, *command(*arguments, *options)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's standard error up to a line with `text`."""
    assert process.stderr is not None
    seen: list[str] = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"no line with {text!r}:\n{''.join(seen)}")


def finish(process: subprocess.Popen[str], timeout: float = 90) -> Run:
    """Wait for the end of a started process, and kill it if that takes too long."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"did not end within {timeout} s:\n{stderr}") from None
    assert "Traceback" not in stderr, stderr
    return Run(process.returncode, stdout, stderr)


def assert_identity(report: Report) -> None:
    """Every packet is accounted for, nothing waits, and every packet buffer is back in its pool."""
    assert_books_close(report)
    assert report["mbufs_missing"] == 0, report


def assert_books_close(report: Report) -> None:
    """Every packet is accounted for, hop by hop, and nothing waits."""
    source, rx, tx, kafka, lost = (report[part] for part in ("source", "rx", "tx", "kafka", "lost_with_engine"))
    assert source["in"] == rx["in"] + source["missed"] + source["errors"] + source["no_mbuf"] + lost["source"], report
    assert rx["in"] == rx["filtered"] + rx["ring_full_drops"] + rx["out"] + lost["rx"], report
    assert rx["out"] == tx["in"] + tx["ring_queued"] + lost["ring"], report
    assert tx["in"] == kafka["in"] + tx["held"] + tx["refused"] + lost["tx"], report
    out = kafka["delivered"] + kafka["failed"] + kafka["in_flight"] + kafka["spilled"]
    assert kafka["in"] + kafka["recovered"] == out + lost["kafka"], report
    assert (tx["ring_queued"], tx["held"], kafka["in_flight"], report["unaccounted"]) == (0, 0, 0, 0), report
    assert report["unknown_seconds"] > 0 or not any(lost.values()), report
