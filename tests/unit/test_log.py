"""Lines for people and for machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import probe
from support.capture_files import write_pcap

from fastcapa.log import Level, LevelName, Logger


@pytest.mark.parametrize(
    ("least", "said"),
    [
        ("error", ["fastcapa: e"]),
        ("warning", ["fastcapa: e", "fastcapa: w", "fastcapa: warning: w2"]),
        ("notice", ["fastcapa: e", "fastcapa: w", "fastcapa: warning: w2", "fastcapa: n"]),
        ("info", ["fastcapa: e", "fastcapa: w", "fastcapa: warning: w2", "fastcapa: n", "fastcapa: i", "5 packets"]),
    ],
)
def test_lines_of_a_level_and_graver_ones_are_said(least: LevelName, said: list[str]) -> None:
    lines: list[str] = []
    log = Logger(write=lines.append)
    log.configure("text", least)
    log("e", Level.ERROR)
    log("w", Level.WARNING)
    log("warning: w2")
    log("n", Level.NOTICE)
    log("i")
    log.result("5 packets")
    assert lines == said


def test_machines_get_an_object_a_line() -> None:
    lines: list[str] = []
    log = Logger("json", write=lines.append)
    log('a "b"\nc \udc80')
    log("warning: careful")
    log.result("5 packets")
    assert all("\n" not in line for line in lines)
    said = [json.loads(line) for line in lines]
    assert [(each["level"], each["message"]) for each in said] == [
        ("info", 'a "b"\nc \udc80'),
        ("warning", "careful"),
        ("info", "5 packets"),
    ]
    for each in said:
        age = datetime.now(UTC) - datetime.fromisoformat(each["time"])
        assert timedelta() <= age < timedelta(minutes=5)


def test_the_journal_gets_the_level(tmp_path: Path) -> None:
    code = "from fastcapa.log import Level, log; log('hot', Level.ERROR); log('warning: warm'); log.result('cold')"
    with (tmp_path / "stderr").open("w+") as stderr:
        status = os.fstat(stderr.fileno())
        for stream, said in (
            (f"{status.st_dev}:{status.st_ino}", "<3>fastcapa: hot\n<4>fastcapa: warning: warm\n<6>cold\n"),
            ("1:1", "fastcapa: hot\nfastcapa: warning: warm\ncold\n"),
        ):
            stderr.seek(0)
            stderr.truncate()
            environment = os.environ | {"JOURNAL_STREAM": stream}
            subprocess.run([sys.executable, "-c", code], stderr=stderr, env=environment, check=True)
            stderr.seek(0)
            assert stderr.read() == said


def test_errors_of_a_capture_are_objects_too(tmp_path: Path) -> None:
    file = tmp_path / "empty.pcap"
    file.write_bytes(b"")
    options = ("-r", str(file), "-b", "127.0.0.1:1", "-t", "t", "--oversubscribe")
    run = probe.fastcapa("capture", *options, "--log-format", "json", "--log-level", "error")
    assert run.status == 1
    (line,) = run.stderr.splitlines()
    assert json.loads(line)["level"] == "error"
    assert "is empty" in json.loads(line)["message"]
    run = probe.fastcapa("capture", "--config", str(tmp_path / "none"), "--log-format", "json")
    assert (run.status, json.loads(run.stderr)["level"]) == (2, "error")
    write_pcap(file, [])
    run = probe.fastcapa("capture", *options, "--log-format", "xml")
    assert (run.status, run.stderr.count("\n")) == (2, 1)
