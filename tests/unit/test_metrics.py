"""The metrics themselves, and that dashboard, alerts and documents name none that is not there."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.snapshots import losing, monitor, snapshot

from fastcapa.monitor import Monitor
from fastcapa.monitor.metrics import LOSSES, Exposition

ROOT = Path(__file__).parents[2]


def samples(made: Monitor) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and label values, in the order of the labels' names."""
    text, _ = Exposition(made).render("")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            key = tuple(value for _, value in sorted(sample.labels.items()))
            assert key not in values, f"{sample.name}{sample.labels} is there twice"
            values[key] = sample.value
    return found


def exposed() -> set[str]:
    return set(samples(monitor(losing(1), losing(2))))


def test_counters_are_the_reports() -> None:
    found = samples(monitor(losing(2)))
    assert found["fastcapa_source_in_total"] == {("eth1",): 2000}
    assert found["fastcapa_rx_ring_full_drops_total"] == {("0", "eth1"): 1200}
    assert found["fastcapa_kafka_delivered_total"] == {("0", "eth1", "0"): 750}
    assert found["fastcapa_kafka_in_flight"] == {("0", "eth1", "0"): 50}
    assert found["fastcapa_rx_longest_gap_seconds"] == {("0", "eth1"): 0.0025}
    assert found["fastcapa_tx_ring_queued"] == found["fastcapa_tx_ring_size"] == {("0", "eth1"): 2048}
    assert found["fastcapa_kafka_buffer_fill_ratio"] == {("0", "eth1", "0"): 1}
    assert found["fastcapa_broker_round_trip_seconds_sum"] == {("1",): 5}
    assert found["fastcapa_broker_round_trip_seconds_count"] == {("1",): 20}
    assert found["fastcapa_worker_busy_cycles_total"][("3", "0", "tx", "eth1", "0")] == 400
    assert found["fastcapa_engine_up"] == found["fastcapa_engine_ready"] == {(): 1}


def test_a_file_that_is_given_twice_is_one_series() -> None:
    made = monitor(snapshot(1, names=("a.pcap", "a.pcap"), source={"in": 7}, buffer_permille=500))
    found = samples(made)
    assert found["fastcapa_source_in_total"] == {("a.pcap",): 14}
    assert found["fastcapa_kafka_buffer_fill_ratio"] == {("0", "a.pcap", "0"): 0.5}


def test_names_and_help_follow_the_conventions() -> None:
    text, _ = Exposition(monitor(losing(1))).render("")
    for family in text_string_to_metric_families(text.decode()):
        assert re.fullmatch(r"fastcapa_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        if family.type == "counter":
            assert all(sample.name.endswith("_total") for sample in family.samples), family.name


def test_labels_are_escaped() -> None:
    name = 'we"ird\\\nname'
    assert samples(monitor(snapshot(1, names=(name,), source={"in": 3})))["fastcapa_source_in_total"] == {(name,): 3}


def test_every_cause_of_loss_has_a_counter_and_an_alert() -> None:
    alerts = (ROOT / "packaging/prometheus/alerts.yml").read_text()
    view = monitor(losing(1)).status.view
    assert view is not None
    assert len(LOSSES) == sum(len(hop.losses) for hop in view.hops)
    for name in LOSSES:
        assert name in exposed()
        assert f"rate({name}[" in alerts, name


@pytest.mark.parametrize(
    "file",
    [
        "packaging/grafana/fastcapa.json",
        "packaging/prometheus/alerts.yml",
        "packaging/prometheus/alerts_test.yml",
        "docs/monitoring.md",
    ],
)
def test_what_is_named_is_exposed(file: str) -> None:
    named = set(re.findall(r"\bfastcapa_[a-z_]+\b", (ROOT / file).read_text()))
    assert len(named) > 8
    assert named <= exposed(), named - exposed()


def test_every_metric_is_explained() -> None:
    assert exposed() <= set(re.findall(r"\bfastcapa_[a-z_]+\b", (ROOT / "docs/monitoring.md").read_text()))


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads((ROOT / "packaging/grafana/fastcapa.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert 'instance=~"$instance"' in target["expr"]
    expressions = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert all(name in expressions for name in LOSSES)
