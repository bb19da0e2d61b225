"""Kafka client properties: where they come from, which wins, and what errors say."""

import argparse
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from fastcapa.errors import RunTimeError, UsageError
from fastcapa.kafka import properties

SECRET = "hunter2"  # noqa: S105


def load(brokers: str | None, file: Path | None, overrides: list[str]) -> dict[str, str]:
    """What a command line comes to."""
    given = properties.given(brokers, file, overrides)
    return {each.key: each.value for each in properties.merge(given)}


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("# comment\n\n bootstrap.servers = file:9092 \nlinger.ms=1\nacks=all\nsasl.jaas.config=a=b; c=d\n")
    assert load("b:1", file, ["linger.ms=5", "x="]) == {
        "bootstrap.servers": "b:1",
        "linger.ms": "5",
        "acks": "all",
        "sasl.jaas.config": "a=b; c=d",
        "x": "",
    }
    assert load(None, file, [])["bootstrap.servers"] == "file:9092"
    assert load(None, file, ["metadata.broker.list=x:1"])["bootstrap.servers"] == "x:1"


def test_ini_groups_are_merged(tmp_path: Path) -> None:
    file = tmp_path / "fastcapa.conf"
    file.write_text("[kafka-global]\nmetadata.broker.list = a:1,b:2\n; note\n[kafka-topic]\ncompression.codec = lz4\n")
    assert load(None, file, []) == {"bootstrap.servers": "a:1,b:2", "compression.codec": "lz4"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=b\n[kafka-other]\n", r"p:2: unknown group \[kafka-other\].*kafka-global"),
        ("a=b\n\nlinger.ms 5\n", r"p:3: 'linger.ms'\.\.\. is not key=value"),
        ("=hunter2\n", r"p:1: is not key=value"),
        ("sasl.password hunter2\n", r"p:1: 'sasl.password'\.\.\. is not key=value"),
        ("sasl.passwd:hunter2\n", r"p:1: 'sasl.passwd'\.\.\. is not key=value"),
        ("sasl.password=hunter2\0\n", r"p:1: the value of sasl.password holds a NUL"),
    ],
)
def test_bad_lines_are_named_without_secrets(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "p"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load("b:1", file, [])
    assert SECRET not in str(caught.value)


def test_bad_files_and_options(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        load("b:1", tmp_path / "none", [])
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        load("b:1", tmp_path / "binary", [])
    with pytest.raises(UsageError, match="-X: 'oops' is not key=value"):
        load("b:1", None, ["oops"])
    with pytest.raises(UsageError, match="-b"):
        load(None, None, [])
    with pytest.raises(UsageError, match=r"'client.id': has characters that are no text in UTF-8"):
        load("b:1", None, ["client.id=\udcef"])
    with pytest.raises(UsageError, match=r"group\.id"):
        load("b:1", None, ["group.id="])  # the client library aborts the process on this one


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"bogus": "1"}, "bogus"), ({"acks": "zz"}, "acks"), ({"on_commit": "x"}, "on_commit")],
)
def test_the_client_refuses(bad: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        properties.make_client(Consumer, {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", **bad})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("port", ["0", "65536", "99999", "abc", "-1", "", "\u0661"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(UsageError, match="is not a port"):
        load(f"good:9092,host:{port}", None, [])


@pytest.mark.parametrize("key", ["bootstrap.servers", "metadata.broker.list"])
def test_two_different_lists_of_brokers_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match=f"^-b a:1 and -X {key}=b:2 name different brokers; leave one of them out$"):
        load("a:1", None, [f"{key}=b:2"])
    assert load("a:1", None, [f"{key}= a:1"])["bootstrap.servers"] == "a:1"


@pytest.mark.parametrize("brokers", ["host", "host:9092", "SSL://host:9093", "[::1]:9092", "[::1]", "a:1, b:65535"])
def test_brokers_as_the_library_takes_them(brokers: str) -> None:
    assert load(brokers, None, [])["bootstrap.servers"] == brokers


def test_run_time_errors_stay_run_time_errors() -> None:
    assert isinstance(properties.client_error(KafkaException(KafkaError(KafkaError._TRANSPORT))), RunTimeError)
    assert isinstance(properties.client_error(KafkaException("text")), RunTimeError)


def test_arguments() -> None:
    parser = argparse.ArgumentParser()
    properties.add_arguments(parser)
    args = parser.parse_args(["-b", "b:1", "-t", "t", "-X", "a=1", "-X", "b=2", "-F", "f"])
    assert (args.brokers, args.topic, args.properties, args.kafka_config) == (
        "b:1",
        "t",
        ["a=1", "b=2"],
        Path("f"),
    )
