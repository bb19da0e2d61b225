"""Both producers under constant load while Kafka is upgraded, one node after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jars
import pytest
from support.faults import assert_nothing_lost, under_load
from support.trio import NODES, Trio, trio_in, wait_until_in_sync

OLD = "3.9.1"
FEATURE = "metadata.version"


@pytest.fixture
def old_trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    with trio_in(tmp_path_factory.mktemp("old"), version=OLD) as made:
        yield made


@pytest.mark.faults
def test_upgrade(old_trio: Trio, tmp_path: Path) -> None:
    new = jars.kafka_version()
    fault = f"nodes are upgraded from {OLD} to {new}, one after the other, and then what they have agreed on"
    with under_load(old_trio, tmp_path, fault) as made:
        for node in NODES:
            old_trio.cluster.restart(node, version=new)
            wait_until_in_sync(old_trio, made.topics)
            made.more()
        agreed = old_trio.admin.describe_features()[FEATURE]
        (_, newest), (_, now) = agreed["supported"], agreed["finalized"]
        assert now < newest
        assert old_trio.admin.update_features({FEATURE: newest}) == {FEATURE: "OK"}
        made.fault_ended()
    assert_nothing_lost(made)
