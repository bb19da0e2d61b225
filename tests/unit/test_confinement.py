"""What is given up when: decided from the configuration. What the kernel makes of it: tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from fastcapa import _confine, _dataplane, confinement
from fastcapa.config import CaptureConfig, validate
from fastcapa.log import Level

NET_ADMIN, NET_RAW = 1 << 12, 1 << 13
ALL = 2**64 - 1


class Kernel:
    """Notes what it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[Any] = []
        monkeypatch.setattr(_confine, "keep_capabilities", lambda keep: self.told.append(("keep", keep)))
        monkeypatch.setattr(_confine, "change_user", lambda *_: self.told.append("user"))
        monkeypatch.setattr(_confine, "confine_system_calls", lambda **needs: self.told.append(needs))
        monkeypatch.setattr(_dataplane, "eal_confine", lambda keep: self.told.append(("eal", keep)))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def config(*sources: tuple[str, str], properties: dict[str, str] | None = None, **options: Any) -> CaptureConfig:
    given = [{"kind": kind, "name": name} for kind, name in sources]
    return validate({"sources": given, "topic": "t", "properties": properties or {}, **options})


@pytest.mark.parametrize(
    ("sources", "before", "running"),
    [
        ([("read", "a.pcap")], 0, 0),
        ([("interface", "eth0")], NET_RAW, 0),
        ([("device", "net_null0")], NET_RAW | NET_ADMIN, 0),
        ([("device", "net_af_xdp0,iface=eth0")], NET_RAW | NET_ADMIN, NET_ADMIN),
        ([("interface", "eth0"), ("device", "net_tap0")], NET_RAW | NET_ADMIN, NET_ADMIN),
        ([("device", "0000:3b:00.0")], ALL, 0),
        ([("device", "3b:00.0,x=1"), ("interface", "eth0")], ALL, 0),
    ],
)
def test_the_main_thread_keeps_what_starting_and_closing_take(
    kernel: Kernel, sources: list[tuple[str, str]], before: int, running: int
) -> None:
    made = config(*sources)
    level, line = confinement.before_packets(made, "direct")
    kinds = {kind for kind, _ in sources}
    filtered = {"write_files": False, "packet_sockets": "interface" in kinds, "devices": "device" in kinds}
    assert kernel.told == [("eal", 0), ("keep", before), filtered]
    assert (level, "system calls are filtered" in line) == (Level.INFO, True)
    confinement.when_running(made)
    assert kernel.told[-1] == ("keep", running)


def test_the_user_changes_before_the_last_capability_goes(kernel: Kernel) -> None:
    confinement.before_packets(config(("read", "a.pcap"), user="daemon"), "direct")
    may_change = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID
    assert kernel.told[:4] == [("eal", may_change), "user", ("eal", 0), ("keep", 0)]


def test_spilling_writes_files(kernel: Kernel, tmp_path: object) -> None:
    confinement.before_packets(config(("interface", "eth0"), spill=str(tmp_path)), "direct")
    assert kernel.told[-1]["write_files"]


@pytest.mark.parametrize(
    ("properties", "producer", "filtered"),
    [
        ({"security.protocol": "SASL_SSL"}, "librdkafka", False),  # GSSAPI is the library's default
        ({"security.protocol": "sasl_plaintext", "sasl.mechanism": "gssapi"}, "librdkafka", False),
        ({"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN"}, "librdkafka", True),
        ({"security.protocol": "ssl"}, "librdkafka", True),
        ({}, "direct", True),
    ],
)
def test_kinit_needs_to_be_started(kernel: Kernel, properties: dict[str, str], producer: str, filtered: bool) -> None:
    _, line = confinement.before_packets(config(("interface", "eth0"), properties=properties), producer)
    assert isinstance(kernel.told[-1], dict) == filtered
    assert ("kinit" in line) == (not filtered)


def test_a_kernel_without_filters_is_a_warning(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: bool) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(_confine, "confine_system_calls", refuse)
    level, line = confinement.before_packets(config(("interface", "eth0")), "direct")
    assert (level, line.endswith("not filtered, the kernel says: Invalid argument")) == (Level.WARNING, True)
    assert kernel.told


@pytest.mark.parametrize(
    ("options", "told", "threads"),
    [
        ({}, [("keep", 0)], 0),
        ({"report": "-"}, [("keep", 0)], 0),
        ({"report": "r.json"}, [("keep", 1 << 1)], 0),  # CAP_DAC_OVERRIDE
        ({"report": "r.json", "user": "daemon"}, ["user", ("keep", 0)], 1 << 6 | 1 << 7),
        ({"restart": True}, [], 0),
        ({"restart": True, "user": "daemon"}, [], 0),
    ],
)
def test_the_supervisor(kernel: Kernel, options: dict[str, Any], told: list[Any], threads: int) -> None:
    made = config(("interface", "eth0"), **options)
    line = confinement.supervisor(made)
    assert kernel.told == told
    assert (line is not None) == ("restart" in options and "user" in options)
    assert confinement.for_threads(made) == threads
