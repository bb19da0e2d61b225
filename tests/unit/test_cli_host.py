"""`devices`, `doctor` and `capture --check` as a user meets them, without a network or a broker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import probe
from support.capture_files import write_pcap

from fastcapa.repeated import RepeatedLines

# Loaded by one subcommand, and of no use to the others.
HEAVY = ("confluent_kafka", "pydantic", "pyroute2", "rich", "fastcapa._dataplane")


def test_devices_as_json() -> None:
    run = probe.fastcapa("devices", "--json")
    assert run.status == 0, run.stderr
    report = json.loads(run.stdout)
    assert report["schema"] == 1
    (loopback,) = [interface for interface in report["interfaces"] if interface["name"] == "lo"]
    assert (loopback["kind"], loopback["option"], loopback["mtu"]) == ("loopback", "-i lo", 65_536)


def test_devices_as_a_table_of_eighty_columns() -> None:
    run = probe.fastcapa("devices", prefix=("env", "COLUMNS=80"))
    assert run.status == 0, run.stderr
    assert "-i lo" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_doctor_without_arguments_looks_at_the_host_only() -> None:
    run = probe.fastcapa("doctor", "--json")
    assert run.status == 0, run.stdout
    report = json.loads(run.stdout)
    assert report["schema"] == 1
    assert report["works"] is True
    areas = {finding["area"] for finding in report["findings"]}
    assert areas == {"versions", "privileges", "hugepages", "iommu", "cpu", "clock", "limits"}
    assert {"severity", "text", "remedy"} <= set(report["findings"][0])


def test_doctor_blocks_for_a_closed_port_within_its_time() -> None:
    run = probe.fastcapa("doctor", "-b", "127.0.0.1:1", "-t", "x", timeout=20)
    assert run.status == 1
    assert (
        "blocks   broker     none answered at 127.0.0.1:1 within 5 s (127.0.0.1:1 failed: Connection refused)"
        in run.stdout
    )
    assert run.stdout.splitlines()[-1].endswith("capture cannot work")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("doctor", "-t", "x"), "no Kafka brokers are named"),
        (("doctor", "-b", "x:0"), "'0' is not a port"),
        (("doctor", "-b", "x:1", "-t", "a/b"), "'a/b' cannot be a topic"),
        (("doctor", "-b", "x:1", "-X", "no.such=1"), "No such configuration property"),
        (("doctor", "-i", "lo", "--tx-workers", "99"), "--tx-workers 99: input should be less than or equal to 16"),
        (("doctor", "-i", "lo", "-i", "lo"), "lo is given twice"),
        (("doctor", "-i", ""), "a source has no name"),
        (("doctor", "eth0"), "unrecognized arguments: eth0"),
        (("devices", "eth0"), "unrecognized arguments: eth0"),
        (("capture", "-i", "lo", "-b", "x:1", "-t", "x", "--check", "--lcores", "0-"), "is not a CPU or a range"),
        (("capture", "-i", "nope0", "-b", "x:1", "-t", "x", "--check", "--oversubscribe"), "no such interface: nope0"),
        (("capture", "-r", "/nope", "-b", "x:1", "-t", "x", "--check", "--oversubscribe"), "cannot read /nope"),
        (("capture", "-i", "lo", "-b", "x:1", "-t", "x", "--check", "udp", "prot"), "filter 'udp prot'"),
        (("capture", "-i", "lo", "-b", "x:1", "-t", "x", "--check", "--lcores", "0,8000"), "there is no CPU 8000"),
        (("captur",), "invalid choice: 'captur'"),
    ],
)
def test_wrong_input_is_one_line(arguments: tuple[str, ...], text: str) -> None:
    run = probe.fastcapa(*arguments)
    assert run.status == 2, run.stderr
    assert text in run.stderr
    assert run.stderr.count("\n") == 1


def test_check_prints_what_would_run_and_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    write_pcap(file, [])
    options = ["-b", "127.0.0.1:1", "-t", "x", "-X", "sasl.password=hunter2", "--oversubscribe", "--rx-queues", "2"]
    run = probe.fastcapa("capture", "-r", str(file), *options, "--check")
    assert run.status == 0, run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith("fastcapa: -X sasl.password=... is in the shell's history")
    lines = run.stdout.splitlines()
    for line in (
        f'read = ["{file}"]  # command line',
        "rx-queues = 2  # command line",
        "tx-ring = 16384  # default",
        '# "sasl.password" = "***"  # command line; not shown',
        "# plan",
    ):
        assert line in lines
    assert any(line.startswith(f"# {file} queue 1: rx ") for line in lines)
    assert any(line.startswith("# packet memory ") for line in lines)
    assert "hunter2" not in run.stdout


def test_help_and_version_load_no_library() -> None:
    for option in ("--help", "--version"):
        code = f"""
import sys
from fastcapa.cli.main import main
try:
    main(["{option}"])
except SystemExit:
    pass
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"""
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stderr.strip() == "[]"


def test_repeated_lines_are_counted_and_forgotten() -> None:
    lines = RepeatedLines(lines_max=2)
    assert [lines.count(line) for line in ("a", "a", "b", "a", "c", "a", "b")] == [1, 2, 1, 3, 1, 4, 1]
    for number in range(10_000):
        lines.count(str(number))
    assert len(lines._counts) == 2
