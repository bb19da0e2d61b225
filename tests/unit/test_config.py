"""What a capture is told, and what it says of values that cannot be."""

from typing import Any

import pytest

from fastcapa.config import CaptureConfig, Source, SourceKind, validate
from fastcapa.errors import UsageError

FILE = {"kind": "read", "name": "a.pcap"}
GOOD: dict[str, Any] = {"sources": [FILE], "topic": "t", "properties": {"bootstrap.servers": "b:9092"}}


def test_defaults_are_the_documented_ones() -> None:
    config = validate(GOOD)
    assert (config.rx_burst, config.tx_ring, config.tx_workers, config.tx_burst) == (32, 16_384, 1, 256)
    assert config.drain_timeout == 30
    assert config.promiscuous
    assert config.sources == (Source(kind=SourceKind.FILE, name="a.pcap"),)


def test_snaplen_0_is_the_whole_packet_as_tcpdump_takes_it() -> None:
    assert validate({**GOOD, "snaplen": 0}).snaplen == 262_144


@pytest.mark.parametrize(
    ("text", "size"),
    [("16M", 16 << 20), ("10G", 10 << 30), ("2 TiB", 2 << 40), ("20000kB", 20_000 << 10), (1 << 30, 1 << 30)],
)
def test_sizes_are_powers_of_1024(text: object, size: int) -> None:
    assert validate({**GOOD, "spill": "d", "spill_max": text}).spill_max == size


def test_it_survives_the_way_to_the_engine() -> None:
    config = validate(GOOD)
    assert CaptureConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("rx_burst", 513, "--rx-burst 513: input should be less than or equal to 512"),
        ("rx_burst", 0, "--rx-burst 0: input should be greater than or equal to 1"),
        ("tx_ring", 1000, "--tx-ring 1000: a power of two is needed, such as 512 or 1024"),
        ("tx_ring", 1, "--tx-ring 1: "),
        ("snaplen", -1, "--snaplen -1: "),
        ("filter", "x" * 5000, "filter 'xxxxx"),
        ("snaplen", 262_145, "--snaplen 262145: "),
        ("count", -1, "--count -1: "),
        ("drain_timeout", -0.1, "--drain-timeout -0.1: "),
        ("drain_timeout", float("nan"), "--drain-timeout nan: "),
        ("producer", "other", "--producer other: "),
        ("buffer_memory", 0, "--buffer-memory 0: "),
        ("spill_max", "1.5G", "--spill-max 1.5G: a size is needed, such as 512M or 10G"),
        ("spill_max", "15M", "--spill-max 15M: at least 16M is needed"),
        ("spill_max", "2000T", "--spill-max "),
        ("spill_sync", "always", "--spill-sync always: "),
        ("report_every", 5, "--report-every 5: there is no report to write; add --report FILE"),
        ("report_keep", 3, "--report-keep 3: there is no report to write; add --report FILE"),
        ("report_every", 0.5, "--report-every 0.5: at least one second, or 0 for the final one only"),
        ("report_keep", -1, "--report-keep -1: "),
        ("unknown", 1, "--unknown 1: "),
    ],
)
def test_a_value_beyond_its_limit_is_named_with_the_limit(option: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as error:
        validate({**GOOD, option: value})
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)


def test_no_source_and_too_many() -> None:
    for sources in ([], [{"kind": "interface", "name": f"eth{i}"} for i in range(33)]):
        with pytest.raises(UsageError, match="give -i INTERFACE"):
            validate({**GOOD, "sources": sources})


def test_a_live_source_cannot_be_opened_twice_but_a_file_can() -> None:
    validate({**GOOD, "sources": [FILE, FILE]})
    with pytest.raises(UsageError, match="eth1 is given twice"):
        validate({**GOOD, "sources": [{"kind": "interface", "name": "eth1"}] * 2})
