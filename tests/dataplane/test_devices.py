"""What DPDK says of devices that need no hardware."""

import json
from pathlib import Path

from support import probe
from support.capture_files import write_pcap


def test_virtual_devices_are_described(tmp_path: Path) -> None:
    file = tmp_path / "a.pcap"
    write_pcap(file, [])
    devargs = ["net_null0", "net_ring0", f"net_pcap0,rx_pcap={file},rx_pcap={file}"]
    run = probe.fastcapa("devices", "--json", *[word for name in devargs for word in ("--device", name)])
    assert run.status == 0, run.stderr
    null, ring, pcap = json.loads(run.stdout)["dpdk"][-3:]
    assert [device["option"] for device in (null, ring, pcap)] == [f"--device {name}" for name in devargs]
    assert [device["info"]["driver"] for device in (null, ring, pcap)] == ["net_null", "net_ring", "net_pcap"]
    assert pcap["info"]["rx_queues_max"] == 2
    assert "ipv4-tcp" in null["info"]["hash_types"]
    assert null["info"]["reta_entries"] == 128
    assert ring["info"]["hash_types"] == []


def test_a_device_that_cannot_be_opened_is_told_and_fails() -> None:
    run = probe.fastcapa("devices", "--device", "net_nothing0")
    assert run.status == 1
    assert "net_nothing0: cannot open DPDK device 'net_nothing0': no driver takes it" in run.stdout


def test_doctor_opens_the_devices_that_are_named() -> None:
    run = probe.fastcapa("doctor", "--json", "--device", "net_null0", "--device", "net_nothing0")
    findings = [finding for finding in json.loads(run.stdout)["findings"] if finding["area"] == "device"]
    assert [finding["severity"] for finding in findings] == ["ok", "blocks"]
    assert findings[0]["text"].startswith("net_null0: net_null, ")
    assert run.status == 1
