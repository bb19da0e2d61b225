"""The systemd unit: it is right, it is tight, and the probe fits in."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import probe
from support.need import need

from fastcapa.host import capabilities
from fastcapa.kafka.embedded import EmbeddedBroker

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
UNIT = "fastcapa@.service"
# systemd's own scale from 0 (tight) to 10; what is left are packet sockets, the network and the host's clock.
EXPOSURE_MAX = 2.0
# DPDK asks for I/O ports, which old virtual NICs need, and goes on without them: nobody without privileges gets them.
IN_VAIN = {"iopl"}


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there, whether or not the probe is installed in /usr/bin."""
    need(shutil.which("systemd-analyze"), "no systemd-analyze; apt-get install systemd")
    text = (UNITS / UNIT).read_text()
    assert "ExecStart=/usr/bin/fastcapa capture" in text
    path = tmp_path / UNIT
    path.write_text(text.replace("/usr/bin/fastcapa", sys.executable))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("drop_in", [None, "dpdk.conf"])
def test_the_unit_is_right(unit: Path, drop_in: str | None) -> None:
    if drop_in is not None:
        directory = unit.with_name(f"{UNIT}.d")
        directory.mkdir()
        shutil.copy(UNITS / drop_in, directory)
    result = analyze("verify", "--man=no", unit)
    # Of other units on this machine it may say something; of ours nothing.
    assert "fastcapa" not in result.stderr, result.stderr
    assert result.returncode == 0, result.stderr


def test_verify_would_say_what_is_wrong(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("Type=notify", "Type=nonsense"))
    assert "nonsense" in analyze("verify", "--man=no", unit).stderr


def test_the_unit_is_tight(unit: Path) -> None:
    result = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX * 10:g}", unit)
    assert result.returncode == 0, result.stdout + result.stderr
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= EXPOSURE_MAX


def allowed_calls() -> set[str]:
    """The system calls that the unit allows."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", (UNITS / UNIT).read_text(), re.MULTILINE):
        calls = {call for word in line.lstrip("~").split() for call in _expanded(word)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def _expanded(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    lines = analyze("syscall-filter", word).stdout.splitlines()
    inside = [line.strip() for line in lines[1:] if line.startswith(" ") and not line.strip().startswith("#")]
    return {call for each in inside for call in _expanded(each)}


@pytest.mark.parametrize("producer", ["direct", "librdkafka"])
def test_a_capture_makes_no_system_call_that_the_unit_forbids(unit: Path, tmp_path: Path, producer: str) -> None:
    need(shutil.which("strace"), "no strace; apt-get install strace")
    need(not capabilities.missing((capabilities.NET_RAW,)), "no CAP_NET_RAW; run as root")
    trace = tmp_path / "trace"
    with EmbeddedBroker() as broker:
        options = ("-b", broker.bootstrap, "-t", "t", "-i", "lo", "--duration", "2", "--oversubscribe")
        prefix = ("strace", "-f", "-qq", "-c", "-U", "name", "-o", str(trace))
        run = probe.fastcapa("capture", *options, "--producer", producer, "tcp or udp", prefix=prefix)
    assert run.status == 0, run.stderr
    made = {line.strip() for line in trace.read_text().splitlines()[2:]} - {"", "total"}
    made = {call for call in made if re.fullmatch(r"[a-z_0-9]+", call)}
    assert {"setsockopt", "clone3", "sendto"} & made, trace.read_text()
    assert made - IN_VAIN <= allowed_calls(), sorted(made - allowed_calls())
