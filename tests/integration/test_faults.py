"""Both producers under constant load while Apache Kafka, or the way to it, has a bad day.

Those without a mark always run; all of them with `make test-faults`, which makes the table in docs/reliability.md.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion
from kafka.errors import InvalidPartitionsError
from support import topics
from support.faults import LANES, RATE, Trial, assert_nothing_lost, under_load
from support.kafka_reader import read_all
from support.kafka_tools import set_produce_quota
from support.live import Live, wait_until
from support.load import Load
from support.netns import Namespace, namespace, unused_address
from support.numbered import NUMBER
from support.probe import wait_for_line
from support.soak.lanes import PRODUCERS
from support.soak.run import soak
from support.trio import NODES, REPLICAS, Trio, on_small_disk, trio_in, wait_until_in_sync
from support.wire import Wire

long = pytest.mark.faults


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trio]:
    with trio_in(tmp_path_factory.mktemp("trio")) as made:
        yield made


@contextmanager
def trial(
    trio: Trio,
    directory: Path,
    fault: str,
    *words: str,
    clients: str | None = None,
    inside: Namespace | None = None,
    names: Collection[str] = tuple(LANES),
) -> Iterator[Trial]:
    """A fault that loses nothing; see under_load()."""
    with under_load(trio, directory, fault, *words, clients=clients, inside=inside, names=names) as made:
        yield made
    assert_nothing_lost(made)


# ---- nodes ----------------------------------------------------------------------------------------------------------


def test_leader_killed(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "a leader is killed, and started again") as made:
        trio.cluster.kill(1)
        for topic in made.topics:
            wait_until(partial(trio.leads_nothing, 1, topic))
        made.more()
        trio.cluster.restart(1)
        made.fault_ended()
        wait_until_in_sync(trio, made.topics)


@long
def test_every_node_in_turn(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "every node in turn is killed, and started again") as made:
        for node in NODES:
            trio.cluster.kill(node)
            for topic in made.topics:
                wait_until(partial(trio.leads_nothing, node, topic))
            made.more()
            trio.cluster.restart(node)
            made.fault_ended()
            wait_until_in_sync(trio, made.topics)


@long
def test_two_nodes_at_once(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "two nodes of three are killed; 20 s later they are started again") as made:
        trio.cluster.kill(1)
        trio.cluster.kill(2)
        time.sleep(20)  # the outage itself
        trio.cluster.restart(1, 2)
        made.fault_ended()
        made.more()
        wait_until_in_sync(trio, made.topics)


@long
def test_frozen(trio: Trio, tmp_path: Path) -> None:
    words = ("-X", "request.timeout.ms=3000", "-X", "socket.timeout.ms=4000")
    with trial(trio, tmp_path, "a node is frozen for 15 s, longer than the request time-out of 3 s", *words) as made:
        # A frozen controller would be another fault: others are elected, and only then see who is missing.
        node = next(number for number in NODES if number != trio.controller)
        trio.cluster.pause(node)
        time.sleep(15)  # the freeze itself
        trio.cluster.resume(node)
        made.fault_ended()
        wait_until_in_sync(trio, made.topics)


@long
def test_all_gone(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "all nodes are killed; 60 s later they are started again") as made:
        for node in NODES:
            trio.cluster.kill(node)
        time.sleep(60)  # the outage itself
        trio.cluster.restart(*NODES)
        made.fault_ended()
        made.more()
        wait_until_in_sync(trio, made.topics)


@long
def test_all_gone_for_longer_than_memory(trio: Trio, tmp_path: Path) -> None:
    """Memory for some seconds: what comes after that is dropped at the ring, and counted there to the packet."""
    own = {"direct": ("--buffer-memory", "4"), "librdkafka": ("-X", "queue.buffering.max.messages=10000")}
    fault = "the same, with memory for some seconds only"
    with under_load(trio, tmp_path, fault, own_words=own) as made:
        for node in NODES:
            trio.cluster.kill(node)
        time.sleep(60)  # the outage itself
        trio.cluster.restart(*NODES)
        made.fault_ended()
        made.more()
        wait_until_in_sync(trio, made.topics)
    for row in made.rows.values():
        assert row.counted == {"ring_full_drops": row.lost}
        assert row.lost > 0 == row.duplicated == row.out_of_order


@long
def test_disk_full(trio: Trio, tmp_path: Path) -> None:
    fault = "the disk of a node is full; the node stops, gets room, is started again"
    with on_small_disk(trio, 2, mebibytes=64) as disk, trial(trio, tmp_path, fault) as made:
        _fill(disk / "filler")
        node = trio.cluster.nodes[1]
        wait_until(lambda: not node.alive())
        for topic in made.topics:
            wait_until(partial(trio.leads_nothing, 2, topic))
        made.more()
        (disk / "filler").unlink()
        trio.cluster.restart(2)
        made.fault_ended()
        wait_until_in_sync(trio, made.topics)


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass


def test_what_is_not_taken_in_time_is_given_up_and_no_more(trio: Trio, tmp_path: Path) -> None:
    """Few packets fill no batch, and a batch is given up as a whole: not much before the time of its last packet."""
    bootstrap = trio.bootstrap
    topic = topics.create(bootstrap, replicas={0: [1]}, min_insync_replicas="1", message_timestamp_type="LogAppendTime")
    words = ("--producer", "direct", "-X", "message.timeout.ms=2000")
    live = Live.begin(bootstrap, topic, *words, directory=tmp_path, inside=trio.inside)
    try:
        with Load(trio.inside, rate=100) as load:
            _more(bootstrap, topic, 50)
            trio.cluster.kill(1)
            for _ in range(3):  # the first are those that were on their way
                wait_for_line(live.process, "Kafka did not take")
            trio.cluster.restart(1)
            _more(bootstrap, topic, 100)
        report = live.stop(status=1)
    finally:
        live.process.kill()
    assert report["source"]["in"] == load.sent
    kafka = report["kafka"]
    assert kafka["failed"] > 0 == kafka["abandoned"]
    assert kafka["delivered"] + kafka["failed"] == load.sent
    records = read_all(bootstrap, topic)
    numbers = [int.from_bytes(record.value[NUMBER]) for record in records]
    assert numbers == sorted(set(numbers))
    # What was given up may have been written before the node died.
    assert kafka["delivered"] <= len(numbers) < load.sent
    lost = max(set(range(load.sent)) - set(numbers))
    assert numbers[-1] == load.sent - 1 > lost
    oldest = records[numbers.index(lost + 1)]
    assert 1.6 < oldest.timestamp_ms / 1e3 - int.from_bytes(oldest.key) / 1e6 < 4


def _more(bootstrap: str, topic: str, count: int) -> None:
    """Wait until the topic has so many more records."""
    wanted = topics.records_in(bootstrap, topic) + count
    wait_until(lambda: topics.records_in(bootstrap, topic) >= wanted)


# ---- topics ---------------------------------------------------------------------------------------------------------


def test_leaders_moved(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "leaders are moved, three times around and away from their nodes") as made:
        for turn in (1, 2, 3):
            for topic in made.topics:
                # The same nodes in another order: what is first is who should lead.
                order = {part: nodes[turn % 3 :] + nodes[: turn % 3] for part, nodes in REPLICAS.items()}
                trio.reassign(topic, order)
                wait_until(partial(trio.lead_first, topic, order))
            made.more(RATE // 2)
        # And away altogether: the node that led a partition has nothing of it any more.
        for topic in made.topics:
            trio.reassign(topic, {part: nodes[1:] for part, nodes in REPLICAS.items()})
        made.fault_ended()


def test_partitions_added(trio: Trio, tmp_path: Path) -> None:
    # It is looked for every five minutes.
    words = ("-X", "topic.metadata.refresh.interval.ms=500")
    with trial(trio, tmp_path, "three partitions are added to four", *words) as made:
        with suppress(InvalidPartitionsError):  # the client has repeated what was done already
            trio.admin.create_partitions(dict.fromkeys(made.topics, 7))
        made.fault_ended()
        for lane in made.lanes:
            if lane.name != "librdkafka":  # there we choose among the partitions that there were at the start
                wait_until(partial(_all_filled, trio.bootstrap, lane.topic, 7))


def _all_filled(bootstrap: str, topic: str, partitions: int) -> bool:
    """Whether there are so many partitions and each has records."""
    counts = topics.records_by_partition(bootstrap, topic)
    return len(counts) == partitions and min(counts) > 0


@long
def test_topic_deleted(trio: Trio, tmp_path: Path) -> None:
    """What was acknowledged before went with the topic: what was received after that has to be in the new one.

    librdkafka gives up what it has for partitions that are gone, at once and whatever the delivery time-out is.
    """
    with under_load(trio, tmp_path, "the topic is deleted; 5 s later it is made again") as made:
        trio.admin.delete_topics(made.topics)
        made.first = made.load.sent
        time.sleep(5)  # the outage itself
        configs = {"min.insync.replicas": "2", "message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
        shape = {"assignments": REPLICAS, "configs": configs}
        trio.admin.create_topics(dict.fromkeys(made.topics, shape), wait_for_metadata=True)
        made.fault_ended()
    assert_nothing_lost(made, "librdkafka")
    row = made.rows["librdkafka"]
    assert 0 < row.lost <= row.counted["failed"]
    assert row.counted.keys() == {"failed"}
    assert row.duplicated == row.out_of_order == 0


# ---- the way there --------------------------------------------------------------------------------------------------


@long
def test_network_cut(trio: Trio, tmp_path: Path) -> None:
    with trial(trio, tmp_path, "the network is cut for 20 s") as made:
        trio.inside.run("ip", "link", "set", "up0", "down")
        time.sleep(20)  # the outage itself
        trio.inside.run("ip", "link", "set", "up0", "up")
        made.fault_ended()


@long
def test_slow_and_lossy(trio: Trio, tmp_path: Path) -> None:
    gateway = unused_address()
    with namespace() as inside, Wire(inside, gateway) as wire:
        inside.run("ip", "route", "add", trio.cluster.host, "via", gateway)
        fault = "the network is slow (40 ms there and back) and loses 1 % of the frames each way, for 20 s"
        with trial(trio, tmp_path, fault, inside=inside) as made:
            wire.delay_s, wire.loss = 0.02, 0.01
            time.sleep(20)  # the fault itself
            wire.delay_s, wire.loss = 0, 0
            made.fault_ended()
        assert wire.lost > 0


def test_connections_reset(trio: Trio, tmp_path: Path) -> None:
    clients = ",".join(f"{trio.cluster.host}:{port}" for port in trio.cluster.advertised["PROXIED"])
    fault = "connections are reset in the middle of requests and answers, for 10 s"
    with trial(trio, tmp_path, fault, clients=clients) as made:
        with trio.proxy.resetting():
            time.sleep(10)  # the fault itself
        made.fault_ended()
    assert trio.proxy.resets > 10


# ---- rights and limits ----------------------------------------------------------------------------------------------


@long
def test_credentials_revoked(trio: Trio, tmp_path: Path) -> None:
    """Sessions are short here: the brokers want to be shown the password again every 4 s.

    Of the direct producer alone: librdkafka 2.0.2, Debian 12's, is not let in with SCRAM by Kafka 4 (docs/security.md).
    """
    names = [name for name in LANES if name != "librdkafka"]
    mechanism, password = ScramMechanism.SCRAM_SHA_512, "opensesame"
    user = UserScramCredentialUpsertion("carol", mechanism, password)
    assert not any(trio.admin.alter_user_scram_credentials([user]).values())
    words = ("security.protocol=SASL_PLAINTEXT", "sasl.mechanism=SCRAM-SHA-512", "sasl.username=carol")
    options = [word for text in (*words, f"sasl.password={password}") for word in ("-X", text)]
    clients = trio.cluster.address("SCRAM")
    fault = "the user is deleted; 20 s later it is there again"
    with trial(trio, tmp_path, fault, *options, clients=clients, names=names) as made:
        trio.admin.alter_user_scram_credentials([UserScramCredentialDeletion("carol", mechanism)])
        time.sleep(20)  # the outage itself
        assert not any(trio.admin.alter_user_scram_credentials([user]).values())
        made.fault_ended()
    for lane in made.lanes:
        assert any("authentication" in line.lower() for line in lane.lines), lane.lines
        assert not any(password in line for line in lane.lines)


@long
def test_certificate_expired(trio: Trio, tmp_path: Path) -> None:
    good = trio.certificate.read_bytes()
    expired = trio.authority.issue("expired", alternative=f"IP:{trio.cluster.host}", days=-1)
    words = ("-X", "security.protocol=SSL", "-X", f"ssl.ca.location={trio.authority.certificate}")
    fault = "all nodes are restarted with an expired certificate; 20 s later with a good one"
    with trial(trio, tmp_path, fault, *words, clients=trio.cluster.address("TLS")) as made:
        try:
            shutil.copyfile(expired, trio.certificate)
            trio.cluster.restart(*NODES)
            time.sleep(20)  # the outage itself
        finally:
            trio.certificate.write_bytes(good)
            trio.cluster.restart(*NODES)
        made.fault_ended()
    for lane in made.lanes:
        assert any("certificate" in line for line in lane.lines), lane.lines


@long
def test_quota(trio: Trio, tmp_path: Path) -> None:
    words = ("-X", "client.id=limited")
    with trial(trio, tmp_path, "a quota lets a third of the load through, for 20 s", *words) as made:
        set_produce_quota(trio.bootstrap, "limited", RATE * 332 * len(LANES) // 3 // len(NODES))
        time.sleep(20)  # the fault itself
        set_produce_quota(trio.bootstrap, "limited", None)
        made.fault_ended()


# ---- all of it ------------------------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("producer", PRODUCERS)
def test_soak(trio: Trio, tmp_path: Path, producer: str) -> None:
    """`make soak` makes it long, random, and leaves its figures; here it is short, and always the same."""
    minutes = float(os.environ.get("SOAK_MINUTES", "0"))
    directory = Path(os.environ.get("SOAK_DIRECTORY") or tmp_path) / producer
    directory.mkdir()
    if minutes:
        seed = int(os.environ.get("SOAK_SEED") or secrets.randbelow(1 << 31))
        soak(trio, directory, producer, seconds=60 * minutes / len(PRODUCERS), seed=seed)
    else:
        first = ("hung_up", "engine_killed", "network_cut")
        soak(trio, directory, producer, seconds=15, seed=1, longest_s=3, first=first)
