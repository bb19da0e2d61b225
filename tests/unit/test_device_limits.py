"""`capture --check` against what a device says of itself."""

from typing import cast

import pytest

from fastcapa import device_limits
from fastcapa.config import validate
from fastcapa.errors import UsageError
from fastcapa.host import dpdk
from fastcapa.rows import DeviceInfo

LIMITS = {"rx_queues_max": 4, "rx_descriptors_min": 64, "rx_descriptors_max": 4096, "rx_descriptors_align": 32}


def check(monkeypatch: pytest.MonkeyPatch, asked: dict[str, int], problem: str | None = None) -> list[str]:
    info = cast(DeviceInfo, LIMITS) if problem is None else None
    monkeypatch.setattr(dpdk, "describe", lambda devargs: dpdk.DpdkDevice(devargs, None, info, problem))
    sources = [{"kind": "interface", "name": "lo"}, {"kind": "device", "name": "0000:3b:00.0"}]
    return device_limits.check(validate({"sources": sources, "topic": "t", "properties": {}, **asked}))


def test_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch, {"rx_queues": 4, "rx_descriptors": 4096}) == []
    assert check(monkeypatch, {"rx_descriptors": 64}) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rx_queues": 5}, "5 rx queues asked for, the device has 4"),
        ({"rx_descriptors": 32}, "the device takes 64 to 4096"),
        ({"rx_descriptors": 8192}, "the device takes 64 to 4096"),
        ({"rx_descriptors": 100}, "multiples of 32, such as 96"),
    ],
)
def test_what_does_not(monkeypatch: pytest.MonkeyPatch, asked: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check(monkeypatch, asked)


def test_a_nic_that_does_not_answer_is_said_and_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = check(monkeypatch, {}, "it is asleep")
    assert line.startswith("limits of 0000:3b:00.0 are not known: it is asleep")
