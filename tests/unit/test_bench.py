"""The benchmark without a data plane: what is planned, what samples come to, and what is written of them."""

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from fastcapa.bench import floor, plan, plot
from fastcapa.bench.document import document
from fastcapa.bench.plan import Case
from fastcapa.bench.run import Sample, check, sample
from fastcapa.bench.samples import Samples, Spread
from fastcapa.bench.table import print_table
from fastcapa.cli.main import main
from fastcapa.errors import RunTimeError, UsageError

SLOW = Case("librdkafka", 64, "none", 4, 1000)
FAST = SLOW.beside("direct")


def test_what_is_neither_worker_is_the_rest() -> None:
    assert of(200, 50).other_cpu_ns == 115


def of(cpu_ns: float, tx_cpu_ns: float = 50) -> Sample:
    return Sample(cpu_ns, rx_busy_ns=30, tx_busy_ns=60, rx_cpu_ns=35, tx_cpu_ns=tx_cpu_ns, packets_per_s=1e6)


def measured() -> Samples:
    # The second round was three times slower for everybody: ratios do not see it.
    slow, fast = [of(2000), of(6000), of(2200)], [of(100, 90), of(300, 300), of(100, 110)]
    return Samples({SLOW: slow, FAST: fast}, {64: [60, 200, 55]})


def test_everything_is_combined_with_everything() -> None:
    made = plan.cases(["librdkafka", "direct"], [64, 512], ["none", "zstd"], [4, 16], 1000)
    assert len(made) == len(set(made)) == 16
    assert [case.producer for case in made[:4]] == ["librdkafka", "direct"] * 2


def test_rounds_turn_round_and_have_each_case_once() -> None:
    assert [case.producer[0] for _, case in plan.rounds([SLOW, FAST], 3)] == list("lddlld")
    assert [number for number, _ in plan.rounds([SLOW, FAST], 3)] == [0, 0, 1, 1, 2, 2]


def test_a_run_has_fewer_packets_the_larger_they_are() -> None:
    numbers = [case.packets for case in plan.cases(["direct"], [60, 512, 1500, 2048], ["none"], [4], None)]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] > 100_000


def test_a_case_is_the_same_with_more_packets() -> None:
    slow, fast = plan.cases(["librdkafka", "direct"], [64], ["none"], [4], None)
    assert slow.packets < fast.packets
    assert fast.beside("librdkafka") == slow
    assert len({slow, fast, slow.beside("direct")}) == 2


def test_what_the_embedded_broker_cannot_keep_is_refused_with_the_numbers() -> None:
    case = Case("librdkafka", 1500, "none", 1024, 10_000_000)
    plan.check([SLOW, case], 11 << 30)
    with pytest.raises(UsageError, match=r"keeps up to 5120 MiB of 10000000 packets, and 4096 MiB .* --packets"):
        plan.check([SLOW, case], 4 << 30)


def test_median_and_spread() -> None:
    assert Spread.of([5, 1, 3]) == Spread(3, 1, 5)
    assert Spread.of([4, 1, 2, 100]) == Spread(3, 1, 100)


def test_ratios_are_within_the_round() -> None:
    samples = measured()
    assert samples.times_less(FAST, SLOW) == Spread(20, 20, 22)
    assert samples.times_less(SLOW, SLOW) is None
    assert samples.times_less(FAST, Case("librdkafka", 512, "none", 4, 1000)) is None
    assert samples.over_floor(FAST, lambda s: s.tx_cpu_ns) == Spread(1.5, 1.5, 2)
    assert Samples({FAST: [of(1)]}).over_floor(FAST, lambda s: s.tx_cpu_ns) is None


def test_a_report_becomes_ns_per_delivered_packet() -> None:
    worker = {"busy_cycles": 6000, "cpu_time_ns": 4000}
    report: dict[str, Any] = {
        "kafka": {"delivered": 100},
        "cost": {"cpu_seconds": 5e-6, "delivery_seconds": 0.5, "cycles_per_second": 3_000_000_000},
        "workers": [{"role": "rx", **worker}, {"role": "tx", **worker}, {"role": "tx", **worker}],
    }
    assert sample(report) == Sample(50, 20, 40, 40, 80, 200)


def outcome(**wrong: Any) -> Any:
    report: dict[str, Any] = {
        "source": {"in": 1000, "missed": 0, "errors": 0, "no_mbuf": 0},
        "rx": {"ring_full_drops": 0},
        "tx": {"refused": 0},
        "lost_with_engine": {},
        "kafka": {"delivered": 1000, "failed": 0},
        "unaccounted": 0,
        "mbufs_missing": 0,
    }
    for key, value in wrong.items():
        part, _, name = key.partition("__")
        if name:
            report[part][name] = value
        elif key != "crashed":
            report[key] = value
    return SimpleNamespace(report=report, crashed=wrong.get("crashed"), source_failed=False)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kafka__delivered": 999, "kafka__failed": 1}, "999 of 1000 packets delivered, 1 failed"),
        ({"rx__ring_full_drops": 3}, "3 ring_full_drops"),
        ({"unaccounted": -2}, "-2 unaccounted"),
        ({"mbufs_missing": 4}, "4 mbufs_missing"),
        ({"crashed": "the engine was killed"}, "the engine was killed"),
    ],
)
def test_a_run_that_does_not_add_up_is_no_result(wrong: dict[str, Any], words: str) -> None:
    check(SLOW, outcome())
    with pytest.raises(RunTimeError) as error:
        check(SLOW, outcome(**wrong))
    assert str(error.value).startswith(f"bench: {SLOW}: {words}")


def test_the_document_has_the_schema_and_medians() -> None:
    made = json.loads(json.dumps(document(measured(), "the embedded broker")))
    assert set(made) == {"schema", "machine", "broker", "results", "floor_ns_per_packet"}
    assert made["broker"] == "the embedded broker"
    assert made["machine"]["cpu"]
    assert made["machine"]["cpus"] == os.cpu_count()
    assert made["schema"] == 1
    assert made["floor_ns_per_packet"] == {"64": 60}
    assert [result["producer"] for result in made["results"]] == ["librdkafka", "direct"]
    assert made["results"][1] == {
        "producer": "direct",
        "frame_bytes": 64,
        "compression": "none",
        "partitions": 4,
        "packets": 1000,
        "cpu_ns_per_packet": 100,
        "tx_busy_ns_per_packet": 60,
        "rx_busy_ns_per_packet": 30,
        "rx_cpu_ns_per_packet": 35,
        "tx_cpu_ns_per_packet": 110,
        "packets_per_s": 1e6,
        "runs": 3,
    }


def test_the_table_shows_ratios_and_floor() -> None:
    text = io.StringIO()
    print_table(measured(), Console(file=text, width=160))
    lines = text.getvalue().splitlines()
    fast = next(line for line in lines if " direct " in line).split()
    assert "20.00" in fast
    assert "1.50" in fast
    assert lines[-1].startswith("floor at 64 bytes: 60.0 ns/packet (55.0 - 200)")


def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    plot.plot(measured(), tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG\r\n")
    with pytest.raises(RunTimeError, match=r"^--plot .*bench\.nonsense: "):
        plot.plot(measured(), tmp_path / "bench.nonsense")


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_floor_is_what_its_program_prints(tmp_path: Path) -> None:
    assert floor.measure(program(tmp_path / "floor", 'echo "$1.$2"'), 64, 25) == 64.25
    for text, words in (
        ("echo no number", "could not convert"),
        ("echo broken >&2; exit 3", "broken"),
        ("exit 3", "3"),
    ):
        with pytest.raises(RunTimeError, match=words):
            floor.measure(program(tmp_path / "floor", text), 64, 25)
    with pytest.raises(UsageError, match="`make bench` builds it"):
        floor.check_program(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sizes", "59"], "--sizes 59: whole numbers from 60 to 2048 are needed, separated by commas"),
        (["--sizes", "64,2049"], "--sizes 2049: whole numbers from 60 to 2048"),
        (["--sizes", "64,,512"], "--sizes 64,,512: has an empty place"),
        (["--sizes", "64,64"], "--sizes 64,64: 64 is given twice"),
        (["--sizes", "\uff16\uff14"], "--sizes \uff16\uff14: whole numbers"),
        (["--producers", "librdkafka,kcat"], "--producers kcat: not known; there are librdkafka, direct"),
        (["--compression", "gzip"], "--compression gzip: not known; there are none, lz4, zstd"),
        (["--partitions", "0"], "--partitions 0: whole numbers from 1 to 10000"),
        (["--packets", "-5"], "--packets -5: whole numbers from 1"),
        (["--packets", "5,6"], "--packets 5,6: one number is needed"),
        (["--runs", "0"], "--runs 0: whole numbers from 1 to 1000"),
        (["--runs", ""], "--runs : has an empty place"),
        (["--json", "/nowhere/b.json"], "--json /nowhere/b.json: there is no directory /nowhere"),
        (["--plot", "/nowhere/b.png"], "--plot /nowhere/b.png: there is no directory /nowhere"),
        (["--floor", "/nowhere/floor"], "--floor /nowhere/floor: no program there"),
        (["-t", "pcap"], "--topic pcap: the embedded broker has its own"),
        (["-b", "127.0.0.1:1"], "no topic is named"),
        (["-b", "127.0.0.1:1", "-t", "t", "--partitions", "4"], "--partitions 4: the topic has what it has"),
        (["-b", "127.0.0.1:1", "-t", "t", "-X", "compression.type=lz4"], "Kafka property 'compression.type': use"),
    ],
)
def test_wrong_input_is_one_line_before_anything_starts(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fastcapa: {words}")
