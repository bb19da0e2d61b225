"""`devices` and `doctor` on interfaces that the test makes, and against Apache Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support import probe
from support.brokers import Cluster, frozen
from support.netns import Namespace, namespace

MakeTopic = Callable[..., str]

UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")


def interfaces(net: Namespace) -> dict[str, Any]:
    run = probe.fastcapa("devices", "--json", prefix=net.prefix)
    assert run.status == 0, run.stderr
    return {row["name"]: row for row in json.loads(run.stdout)["interfaces"]}


def findings(*arguments: str, prefix: tuple[str, ...] = (), status: int = 0) -> list[dict[str, Any]]:
    run = probe.fastcapa("doctor", "--json", *arguments, prefix=prefix)
    assert run.status == status, run.stdout
    report = json.loads(run.stdout)
    assert report["works"] == (status == 0)
    rows: list[dict[str, Any]] = report["findings"]
    return rows


def of(rows: list[dict[str, Any]], area: str) -> list[tuple[str, str]]:
    return [(row["severity"], row["text"]) for row in rows if row["area"] == area]


def test_devices_show_what_was_made() -> None:
    with namespace(queues=4, mtu=9000) as net:
        net.run("ethtool", "-K", net.capture, "gro", "on")
        net.run("ip", "link", "set", net.generator, "down")
        shown = interfaces(net)
        assert set(shown) == {"lo", net.generator, net.capture}
        capture = shown[net.capture]
        address = net.run("cat", f"/sys/class/net/{net.capture}/address").strip()
        expected = {
            "kind": "veth",
            "mtu": 9000,
            "mac": address,
            "rx_queues": 4,
            "rx_queues_max": 4,
            "up": True,
            "link": False,
            "merging": ["gro"],
            "segmenting": [],
            "option": f"-i {net.capture}",
        }
        assert {key: capture[key] for key in expected} == expected
        assert capture["timestamps"]["receive"] == ["software"]
        assert shown[net.generator]["up"] is False


def test_without_privilege_nothing_is_missing(netns: Namespace) -> None:
    run = probe.fastcapa("devices", "--json", prefix=(*netns.prefix, *UNPRIVILEGED))
    assert run.status == 0, run.stderr
    assert {row["name"]: row for row in json.loads(run.stdout)["interfaces"]} == interfaces(netns)
    rows = findings("-i", netns.capture, prefix=(*netns.prefix, *UNPRIVILEGED), status=1)
    assert any(severity == "blocks" and text.startswith("no CAP_NET_RAW") for severity, text in of(rows, "privileges"))


def test_doctor_passes_a_good_interface_and_blocks_for_a_missing_one(netns: Namespace) -> None:
    rows = findings("-i", netns.capture, prefix=netns.prefix)
    assert of(rows, "interface") == [("ok", f"{netns.capture}: up, veth, MTU 1500, 10000 Mb/s")]
    assert of(rows, "offloads") == [("ok", f"{netns.capture}: no offload merges received frames")]
    rows = findings("-i", netns.capture, "-i", "eth99", prefix=netns.prefix, status=1)
    ((severity, text),) = [row for row in of(rows, "interface") if "eth99" in row[1]]
    assert (severity, text.split(";")[0]) == ("blocks", "eth99: no such interface")


def test_the_remedy_for_offloads_mends_them() -> None:
    with namespace(offloads=True) as net:
        net.run("ethtool", "-K", net.capture, "gro", "on")
        rows = findings("-i", net.capture, prefix=net.prefix)
        remedies = [row["remedy"] for row in rows if row["area"] == "offloads"]
        assert [row[0] for row in of(rows, "offloads")] == ["warning", "warning"]
        for remedy in remedies:
            net.run(*remedy.partition(" (")[0].split())
        rows = findings("-i", net.capture, prefix=net.prefix)
        assert [row[0] for row in of(rows, "offloads")] == ["ok"]


def test_a_device_is_described_while_its_interface_stays(netns: Namespace) -> None:
    devargs = f"net_af_xdp0,iface={netns.capture}"
    run = probe.fastcapa("devices", "--json", "--device", devargs, prefix=netns.prefix)
    assert run.status == 0, run.stdout
    (device,) = [device for device in json.loads(run.stdout)["dpdk"] if device["devargs"] == devargs]
    assert device["info"]["driver"] == "net_af_xdp"
    assert interfaces(netns)[netns.capture]["xdp"] is False


def test_doctor_on_a_topic(kafka: str, make_topic: MakeTopic) -> None:
    good = make_topic(4)
    rows = findings("-b", kafka, "-t", good, "--tx-workers", "4")
    assert of(rows, "broker") == [("ok", f"{kafka}: cluster of 1 brokers answers")]
    assert ("ok", f"{good}: 4 partitions") in of(rows, "topic")
    assert ("ok", f"{good}: frames are kept for ever") in of(rows, "topic")
    assert all(severity in ("ok", "note") for severity, _ in of(rows, "topic"))


def test_doctor_on_a_topic_that_will_not_do(kafka: str, make_topic: MakeTopic) -> None:
    bad = make_topic(
        1,
        max_message_bytes="2000",
        cleanup_policy="compact",
        min_insync_replicas="2",
        message_timestamp_type="LogAppendTime",
    )
    rows = findings("-b", kafka, "-t", bad, "--tx-workers", "2", status=1)
    texts = [f"{severity} {text.removeprefix(bad)}" for severity, text in of(rows, "topic")]
    for beginning in (
        "warning : 1 partitions for 2 tx workers",
        "warning : max.message.bytes = 2000",
        "blocks : min.insync.replicas = 2, and a partition has 1 of 1 in sync",
        "warning : cleanup.policy = compact",
        "warning : the broker replaces the time of each message",
    ):
        assert [text for text in texts if text.startswith(beginning)], (beginning, texts)


def test_doctor_on_a_topic_that_is_not_there(kafka: str, kafka_without_auto_create: str) -> None:
    ((severity, text),) = of(findings("-b", kafka, "-t", "not-there"), "topic")
    assert severity == "note"
    assert "the broker will create it" in text
    ((severity, text),) = of(findings("-b", kafka_without_auto_create, "-t", "not-there", status=1), "topic")
    assert severity == "blocks"
    # It only looked.
    ((severity, _),) = of(findings("-b", kafka, "-t", "not-there"), "topic")
    assert severity == "note"


def test_doctor_does_not_wait_for_a_frozen_broker(kafka_cluster: Cluster) -> None:
    with frozen(kafka_cluster):
        rows = findings("-b", kafka_cluster.bootstrap, status=1)
    ((severity, text),) = of(rows, "broker")
    assert severity == "blocks"
    assert f"none answered at {kafka_cluster.bootstrap} within 5 s" in text
