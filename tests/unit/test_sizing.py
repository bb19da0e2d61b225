"""`fastcapa bench --plan`: the arithmetic, from figures that are fixed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastcapa.bench.document import cpu_model
from fastcapa.bench.sizing.brokers import Terms
from fastcapa.bench.sizing.figures import Figures, choose
from fastcapa.bench.sizing.plan import Sizing, size
from fastcapa.bench.sizing.traffic import Traffic, bits, size_of
from fastcapa.bench.sizing.wish import Wish
from fastcapa.cli.main import main
from fastcapa.errors import RunTimeError

MIB = 1 << 20
# ns of CPU per packet: rx, tx, all. tx is 40 + 0.5 a byte, so that a line through two of them is easily checked.
COSTS = {64: (20.0, 72.0, 100.0), 512: (20.0, 296.0, 330.0), 1500: (40.0, 790.0, 850.0)}
TERMS = Terms(replication=3, link_bits_per_s=10e9, disk_bytes_per_s=500e6, compression_ratio=1, readers=1)


def document(**changes: Any) -> dict[str, Any]:
    results = [
        {
            "producer": "direct",
            "frame_bytes": frame,
            "compression": "none",
            "partitions": 4,
            "cpu_ns_per_packet": cpu,
            "rx_cpu_ns_per_packet": rx,
            "tx_cpu_ns_per_packet": tx,
            "runs": 5,
        }
        for frame, (rx, tx, cpu) in COSTS.items()
    ]
    machine = {"cpu": "Example 9000", "cpus": 8}
    return {"schema": 1, "machine": machine, "broker": "the embedded broker", "results": results} | changes


def figures(**changes: Any) -> Figures:
    return choose(document(**changes), "direct", "none", None, "--figures x")


def plan(rate: float, frame: int, *, cpus: int = 64, **changes: Any) -> Sizing:
    wish: dict[str, Any] = {"producer": "direct", "imbalance": 1.5, "stall_s": 1.0, "terms": TERMS} | changes
    return size(Wish(traffic=Traffic(rate, frame), **wish), figures(), cpus)


def values(sizing: Sizing) -> dict[str, float]:
    return {number.key: number.value for number in sizing.numbers}


# ---- traffic ----


def test_a_full_link_is_what_the_standard_says() -> None:
    # 64 bytes with their check sequence, 84 on the wire: the figure that every NIC is sold with.
    assert round(Traffic(10e9, 60).packets_per_s) == 14_880_952
    assert round(Traffic(100e9, 60).packets_per_s) == 148_809_524
    assert round(Traffic(10e9, 1514).packets_per_s) == 812_744


def test_units_are_readable() -> None:
    assert [bits(value) for value in (2.5e9, 8e8, 5e4, 1e12)] == ["2.5 Gb/s", "800 Mb/s", "50 kb/s", "1 Tb/s"]
    assert [size_of(value) for value in (1.21e9, 5e8, 13.5e12)] == ["1.21 GB", "500 MB", "13.5 TB"]


# ---- figures ----


def test_between_two_sizes_the_cost_is_on_the_line() -> None:
    cost = figures().at(288)
    assert cost.tx_ns == pytest.approx(40 + 0.5 * 288)
    assert cost.rx_ns == 20
    assert cost.other_ns == pytest.approx(215 - 184 - 20)
    assert (cost.origin, cost.measured) == ("line between 64 and 512 bytes", True)
    assert figures().at(512).origin == "measured at 512 bytes"


def test_beyond_the_largest_the_line_goes_on_and_below_the_smallest_nothing_is_saved() -> None:
    cost = figures().at(9000)
    assert cost.tx_ns == pytest.approx(40 + 0.5 * 9000)
    assert (cost.origin, cost.measured) == ("line beyond 512 and 1500 bytes", False)
    assert figures().at(60).tx_ns == 72
    assert not figures().at(60).measured


def test_a_line_that_noise_lets_fall_makes_no_large_frame_cheaper() -> None:
    results = document()["results"]
    results[2]["rx_cpu_ns_per_packet"] = 10.0
    assert figures(results=results).at(9000).rx_ns == 10.0


def test_the_cpu_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    assert cpu_model(tmp_path) == "unknown CPU"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Example 9000 @ 3 GHz\n")
    assert cpu_model(tmp_path) == "Example 9000 @ 3 GHz"


# ---- the probe ----


def test_what_one_queue_takes_gets_one() -> None:
    found = values(plan(10e9, 800))  # 1,516,990 packets/s of 440 ns: 0.667 of a CPU
    assert (found["rx_queues"], found["tx_workers_per_queue"]) == (1, 1)
    assert found["tx_load"] == pytest.approx(1_516_990 * 440e-9, abs=1e-3)
    assert (found["worker_cpus"], found["other_cpus"]) == (2, 1)


def test_no_worker_is_planned_above_its_load_and_the_busiest_queue_counts() -> None:
    for rate in (1e9, 10e9, 25e9, 40e9, 100e9):
        for frame in (60, 200, 800, 1514, 9000):
            found = values(plan(rate, frame))
            assert max(found["rx_load"], found["tx_load"]) <= 0.7, (rate, frame)
            queues, packets = found["rx_queues"], found["packets_per_s"]
            share = packets if queues == 1 else min(packets, packets * 1.5 / queues)
            assert found["busiest_queue_packets_per_s"] == pytest.approx(share, abs=1)


def test_no_smaller_plan_would_do() -> None:
    found = values(plan(100e9, 800))
    packets, cost = found["packets_per_s"], 440e-9
    for queues in range(1, 64):
        for tx_workers in range(1, 5):
            share = packets if queues == 1 else packets * min(1, 1.5 / queues)
            fits = share * cost / tx_workers <= 0.7 and share * figures().at(800).rx_ns * 1e-9 <= 0.7
            assert not fits or queues * (1 + tx_workers) >= found["worker_cpus"]


def test_what_no_number_of_queues_takes_is_refused_with_the_number_of_probes() -> None:
    with pytest.raises(RunTimeError, match=r"are more than 64 queues of 4 tx workers take, .* over \d+ probes"):
        plan(10e12, 60)


def test_a_stall_is_held_by_the_batches_and_the_ring_holds_ten_milliseconds() -> None:
    found = values(plan(10e9, 800))
    assert found["buffer_memory_mib"] == -(-1_516_990.3 * 1.05 * 824 // MIB)
    assert found["tx_ring_packets"] == 16_384  # 15,170 packets
    assert found["ordinary_bytes"] == found["buffer_memory_mib"] * MIB
    # With librdkafka there is only the ring.
    found = values(plan(1e9, 800, producer="librdkafka"))
    assert found["tx_ring_packets"] == 1 << 18  # 151,699 packets and 1 % of that
    assert "buffer_memory_mib" not in found
    assert found["ordinary_bytes"] == 0


def test_memory_is_what_a_capture_with_these_options_takes() -> None:
    found = values(plan(1e9, 800))
    # Ring, bursts, caches of two threads, the device's queue; 2,576 bytes each, 16 a slot of the ring; 64 MiB for DPDK.
    mbufs = 2048 + 32 * 4 + 256 + 384 * 2 + 4096
    assert found["packet_bytes"] == mbufs * 2576 + 2048 * 16 + 64 * MIB


# ---- brokers ----


def test_every_replica_takes_disk_and_network_and_every_reader_network() -> None:
    found = values(plan(10e9, 800))
    total = 1_516_990.3 * 824
    assert found["bytes_per_s"] == pytest.approx(total, abs=1000)
    assert found["brokers_by_disk"] == 11  # 3.75 GB/s by 0.35
    assert found["brokers_by_network"] == 5  # 3.75 GB/s by 0.875, in and out
    assert found["brokers"] == 11
    assert found["broker_in_bytes_per_s"] == pytest.approx(3 * total / 11, abs=1000)
    assert found["disk_bytes_per_hour"] == pytest.approx(3 * total * 3600, rel=1e-6)
    assert found["partitions"] == 11  # 1,516,990 packets/s need 11 readers
    many = Terms(replication=2, link_bits_per_s=1e9, disk_bytes_per_s=1e12, compression_ratio=2, readers=3)
    found = values(plan(1e9, 800, terms=many))
    assert found["bytes_per_s"] == pytest.approx(total / 20, abs=1000)
    assert found["brokers_by_network"] == 3  # out: one follower and three readers, 250 MB/s by 87.5
    assert found["brokers"] == 3


# ---- what is said ----


def test_every_number_says_where_it_comes_from() -> None:
    made = plan(100e9, 800, given=frozenset({"--stall"}))
    assert all(number.origin for number in made.numbers)
    origins = {number.key: number.origin for number in made.numbers}
    assert origins["tx_cpu_ns_per_packet"] == "line between 512 and 1500 bytes"
    assert "given, --stall" in origins["buffer_memory_mib"]
    assert "assumed, --imbalance" in origins["busiest_queue_packets_per_s"]
    assert "assumed, --broker-disk" in origins["brokers_by_disk"]
    assert made.figures.endswith("on Example 9000, 8 CPUs")
    assert made.document()["probe"]["rx_queues"]["from"]


@pytest.mark.parametrize(
    ("rate", "frame", "changes", "words"),
    [
        (10e9, 800, {"cpus": 2}, "3 CPUs are needed, this machine has 2"),
        (100e9, 800, {}, "times its fair share; RSS sends a whole conversation"),
        (10e9, 800, {}, "nothing but the smallest frames (a flood) would be 14,880,952 packets/s"),
        (10e9, 60, {}, "tx workers share a ring"),
        (10e9, 60, {}, "60 B is outside of what was measured"),
        (10e9, 9000, {}, "frames of more than 2048 B take several packet buffers"),
        (10e9, 800, {}, "the probe sends 10 Gb/s: it needs links of its own"),
        (10e9, 800, {"producer": "librdkafka", "stall_s": 10.0}, "the largest ring holds 2.76 s of the busiest queue"),
        (1e9, 800, {}, "--spill takes 7.5 GB of disk a minute"),
    ],
)
def test_what_may_go_wrong_is_said(rate: float, frame: int, changes: dict[str, Any], words: str) -> None:
    assert any(words in warning for warning in plan(rate, frame, **changes).warnings)


def test_a_plan_within_its_means_warns_of_nothing_else() -> None:
    assert not [line for line in plan(1e9, 800).warnings if "CPUs are needed" in line or "flood" in line]


def test_the_plan_is_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures_file, output = tmp_path / "bench.json", tmp_path / "plan.json"
    figures_file.write_text(json.dumps(document()))
    arguments = ["bench", "--plan", "10G", "--mean-frame", "800", "--figures", str(figures_file)]
    assert main([*arguments, "--json", str(output)]) == 0
    text = capsys.readouterr().out
    for words in ("1,516,990 packets/s", "brokers: 11", "Example 9000", "--rx-queues 1 --tx-workers 1 --tx-ring 16384"):
        assert words in text
    made = json.loads(output.read_text())
    assert made["plan"]["kafka"]["brokers"]["value"] == 11
    # It has the figures in it, and can be planned with again.
    assert main([*arguments[:-1], str(output), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == made


PLAN = ["--plan", "10G", "--mean-frame", "800"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--plan", "10G"], "--plan needs --mean-frame BYTES"),
        (["--plan", "ten", "--mean-frame", "800"], "--plan ten: bits a second from 1k to 10T are needed, such as 10G"),
        (["--plan", "10GG", "--mean-frame", "800"], "--plan 10GG: bits a second"),
        (["--plan", "-1G", "--mean-frame", "800"], "argument --plan: expected one argument"),
        (["--plan", "99T", "--mean-frame", "800"], "--plan 99T: bits a second from 1k to 10T"),
        (["--plan", "1e400", "--mean-frame", "800"], "--plan 1e400: bits a second"),
        (["--plan", "10G", "--mean-frame", "59"], "--mean-frame 59: bytes from 60 to 9216 are needed"),
        (["--plan", "10G", "--mean-frame", "9217"], "--mean-frame 9217: bytes from 60 to 9216"),
        (["--plan", "10G", "--mean-frame", "\uff18\uff10\uff10"], "--mean-frame \uff18\uff10\uff10: bytes"),
        ([*PLAN, "--imbalance", "0.5"], "--imbalance 0.5: a number from 1 to 64 is needed"),
        ([*PLAN, "--stall", "inf"], "--stall inf: a number from 0 to 3600"),
        ([*PLAN, "--stall", "3600", "--figures", "{}"], "--stall 3600: 4,"),
        ([*PLAN, "--replication", "0"], "--replication 0: whole numbers from 1 to 16"),
        ([*PLAN, "--readers", "1,2"], "--readers 1,2: one number is needed"),
        ([*PLAN, "--broker-link", "fast"], "--broker-link fast: bits a second"),
        ([*PLAN, "--broker-disk", "0"], "--broker-disk 0: bytes a second"),
        ([*PLAN, "--compression-ratio", "3"], "--compression-ratio 3: nothing is compressed; add --compression lz4"),
        ([*PLAN, "--producers", "direct,librdkafka"], "--producers direct,librdkafka: --plan is for one of them"),
        ([*PLAN, "--compression", "none,lz4"], "--compression none,lz4: --plan is for one of them"),
        ([*PLAN, "--partitions", "4,16"], "--partitions 4,16: one number is needed"),
        ([*PLAN, "--figures", "/nowhere/b.json"], "--figures /nowhere/b.json: No such file or directory; name a file"),
        ([*PLAN, "--figures", "{}", "--sizes", "64"], "--sizes is for measuring; leave it or --figures out"),
        ([*PLAN, "--figures", "{}", "-b", "x:1"], "--brokers is for measuring"),
        ([*PLAN, "--figures", "{}", "--compression", "lz4"], "has no figures of producer direct with compression lz4"),
        ([*PLAN, "--figures", "{}", "--partitions", "8"], "has figures of 4 partitions; name one of them"),
        (["--mean-frame", "800"], "--mean-frame is of no use without --plan BITS/S"),
        (["--stall", "0"], "--stall is of no use without --plan BITS/S"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(document()))
    try:
        status = main(["bench", *(str(file) if word == "{}" else word for word in arguments)])
    except SystemExit as ended:  # argparse
        status = int(ended.code or 0)
    assert status == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert words in line
    assert line.startswith("fastcapa")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no JSON object"),
        ("{}", "schema: field required"),
        (json.dumps(document(schema=2)), "schema 2 is not known, this version reads 1"),
        (json.dumps(document(results=[])), "has no figures of producer direct with compression none, it has nothing"),
        (
            json.dumps(document(results=[{"producer": "direct"}])),
            "results.0.frame_bytes: field required; make",
        ),
        (json.dumps(document()).replace("20.0", "NaN"), "results.0.rx_cpu_ns_per_packet: input should be"),
        (json.dumps(document()).replace("20.0", "0"), "results.0.rx_cpu_ns_per_packet: input should be greater than 0"),
        (
            json.dumps(document(results=document()["results"][:1])),
            "--mean-frame 800: measured is only 64 bytes, and one point is no line",
        ),
    ],
)
def test_a_file_that_is_not_the_benchs_is_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    file.write_text(text)
    assert main(["bench", *PLAN, "--figures", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
