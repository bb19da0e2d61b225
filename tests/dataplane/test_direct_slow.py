"""A broker that is slow to answer gets full batches, not many with a packet each that take all the memory."""

from __future__ import annotations

import time
from pathlib import Path

from support.capture_files import Frame, write_pcap
from support.direct_runs import assert_all_delivered, frames, run
from support.frames import udp_of_size
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker

COUNT = 20_000


class Slow(Script):
    """Takes a while for each request."""

    def reply(self, request: Produce, response: bytes) -> Reply:
        time.sleep(0.03)
        return Reply(response)


def test_partitions_that_are_all_filled_at_once(tmp_path: Path) -> None:
    path = tmp_path / "flows.pcap"
    frame_of = (udp_of_size(100, number, flow=number % 256) for number in range(COUNT))
    write_pcap(path, [Frame(10**18 + 1000 * number, 100, frame) for number, frame in enumerate(frame_of)])
    with ScriptedBroker(Slow(), partitions=4) as broker:
        made = run(broker, path, "--partition", "flow", "--buffer-memory", "4", batch_size="1000000")
    assert_all_delivered(broker, made, frames(path))
    batches = [batch.count for log in broker.logs for batch in log.batches]
    assert sum(batches) / len(batches) > 50
