"""The control side against Apache Kafka that goes away, comes back and changes, with a data plane that only asks."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest
from kafka.admin import KafkaAdminClient
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.producer import ProduceRequest
from kafka.record.default_records import DefaultRecordBatchBuilder
from support import topics
from support.brokers import Cluster, broker
from support.data_plane import FakeDataPlane, Log, control
from support.kafka_reader import read_all
from support.live import wait_until

from fastcapa._dataplane import Transport
from fastcapa.errors import RunTimeError
from fastcapa.kafka.control import Control

NODE = 1


class Side:
    """A control side that runs, its data plane and its log."""

    def __init__(self, bootstrap: str, topic: str, *, workers: int = 1) -> None:
        self.plane = FakeDataPlane()
        self.log = Log()
        self.control: Control = control(self.plane, self.log, topic, {"bootstrap.servers": bootstrap}, workers=workers)

    def __enter__(self) -> Side:
        self.control.prepare()
        self.control.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.control.stop()
        assert not self.control.failed, self.log.lines


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kafka of our own, that may be killed."""
    with broker(tmp_path_factory.mktemp("control")) as cluster:
        yield cluster


def test_each_worker_gets_its_own_identity_and_connection(kafka: str, topic: str) -> None:
    dead = "127.0.0.1:1"
    with Side(f"{dead},{kafka},{dead}", topic, workers=3) as side:
        assert side.plane.topics == [([NODE] * 4, 1_000_000)]  # message.max.bytes: less than the topic takes
        for worker in range(3):
            side.plane.need_connection(worker, NODE)
        wait_until(lambda: len(side.plane.connections) == 3 and len(side.plane.identities) == 3)
        identities = [identity for made in side.plane.identities.values() for identity in made]
        assert len(set(identities)) == 3
        side.plane.need_producer_id(1)
        wait_until(lambda: len(side.plane.identities[1]) == 2)
        assert side.plane.identities[1][1] not in identities
        side.plane.need_topic()
        wait_until(lambda: len(side.plane.topics) == 2)  # an answer, although nothing has changed
        assert side.plane.topics[1] == side.plane.topics[0]


def test_what_is_handed_over_takes_a_produce_request(kafka: str, topic: str) -> None:
    with Side(kafka, topic) as side:
        side.plane.need_connection(0, NODE)
        wait_until(lambda: bool(side.plane.connections))
        ((transport, version),) = side.plane.connections[0, NODE]
        assert version == 8
        _produce(transport, version, topic, b"a frame")
    assert [record.value for record in read_all(kafka, topic)] == [b"a frame"]


def _produce(transport: Transport, version: int, topic: str, value: bytes) -> None:
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 16384)
    batch.append(0, 0, b"key", value, [])
    data = ProduceRequest.TopicProduceData
    partition = data.PartitionProduceData(index=0, records=bytes(batch.build()))
    protocol = KafkaProtocol(client_id="test")
    protocol.send_request(
        ProduceRequest(
            transactional_id=None,
            acks=-1,
            timeout_ms=10_000,
            topic_data=[data(name=topic, partition_data=[partition])],
            version=version,
        )
    )
    request = bytes(protocol.send_bytes())
    assert transport.send(request) == len(request)
    while (received := transport.recv(1 << 16)) is None:
        select.select([transport], [], [], 10)
    ((_, response),) = protocol.receive_bytes(received)
    (answer,) = response.responses[0].partition_responses
    assert answer.error_code == 0


def test_a_data_plane_that_takes_nothing_yet_gets_it_later(kafka: str, topic: str) -> None:
    with Side(kafka, topic) as side:
        side.plane.busy = True
        side.plane.need_connection(0, NODE)
        side.plane.need_topic()
        wait_until(lambda: len(side.plane.topics) == 2)
        assert side.plane.connections == {}
        side.plane.busy = False
        wait_until(lambda: bool(side.plane.connections))


def test_partitions_that_are_added_and_a_topic_that_is_deleted(kafka: str) -> None:
    name = topics.create(kafka, partitions=1)
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    with Side(kafka, name) as side:
        admin.create_partitions({name: 3})
        _ask_until(side, [NODE] * 3)
        admin.delete_topics([name])
        _ask_until(side, [-1] * 3)
        assert side.log.lines == [f"topic {name}: does not exist any more; trying again"]
        admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
        wait_until(lambda: side.plane.topics[-1][0] == [NODE, NODE, -1])  # nobody has to ask for that
        assert side.log.lines[-1] == f"topic {name} is there again"
    admin.close()


def _ask_until(side: Side, leaders: list[int]) -> None:
    """Ask as a worker does: again as soon as there is an answer."""

    def there() -> bool:
        if side.plane.topics[-1][0] == leaders:
            return True
        side.plane.need_topic()
        return False

    wait_until(there)


def test_a_topic_that_is_not_there(kafka: str) -> None:
    side = control(FakeDataPlane(), Log(), "no-such", {"bootstrap.servers": kafka})
    with pytest.raises(RunTimeError, match=r"topic 'no-such' does not exist; create it"):
        side.prepare()


def test_no_broker_at_all() -> None:
    side = control(FakeDataPlane(), Log(), "t", {"bootstrap.servers": "127.0.0.1:1,no-such-host.invalid:2"})
    with pytest.raises(RunTimeError) as error:
        side.prepare()
    text = str(error.value)
    assert text.count("cannot connect to 127.0.0.1:1: Connection refused") == 1
    assert text.count("cannot find no-such-host.invalid") == 1
    assert "\n" not in text


def test_a_broker_that_dies_and_comes_back(fragile: Cluster) -> None:
    name = topics.create(fragile.bootstrap, partitions=2)
    with Side(fragile.bootstrap, name, workers=2) as side:
        for worker in range(2):
            side.plane.need_connection(worker, NODE)
        wait_until(lambda: len(side.plane.connections) == 2)
        fragile.kill(1)
        for worker in range(2):
            side.plane.need_connection(worker, NODE, "the broker closed the connection")
            side.plane.need_topic()
        wait_until(lambda: len(side.log.lines) >= 2)
        fragile.restart(1)
        wait_until(lambda: all(len(made) == 2 for made in side.plane.connections.values()))
        wait_until(lambda: "the topic's metadata can be refreshed again" in side.log.lines)
    lines = side.log.lines
    where = fragile.bootstrap
    assert lines[0] == f"connection to broker 1 ({where}) lost: the broker closed the connection"
    assert f"connected to broker 1 ({where}) again" in lines
    assert len([line for line in lines if "cannot refresh" in line]) <= 2  # one a minute
    assert len(lines) <= 6, lines
