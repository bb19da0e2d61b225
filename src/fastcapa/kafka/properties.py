"""Kafka client properties from the command line and files, and what a client says of them.

Names and values are librdkafka's; they pass through unseen, and the client judges them when it is made.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from fastcapa.errors import FastcapaError, RunTimeError, UsageError
from fastcapa.kafka import secret_properties

Client = TypeVar("Client")

REFERENCE = "https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md"
BOOTSTRAP = "bootstrap.servers"
_PORT = 9092  # librdkafka's default
# The old name of bootstrap.servers: two names for one property would leave to chance which of them wins.
_BOOTSTRAP_ALIAS = "metadata.broker.list"
# Groups of the ini files that the first Fastcapa read. librdkafka takes topic properties as global ones too.
_GROUPS = ("kafka-global", "kafka-topic")
# What can be shown of a line that is not key=value: the rest may be a secret.
_NAME = re.compile(r"[\w.]+")


def add_arguments(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the options of every subcommand that talks to Kafka: brokers, topic, kafka_config, properties."""
    parser.add_argument("-b", "--brokers", metavar="HOST:PORT,...", help="brokers to start from")
    parser.add_argument("-t", "--topic", metavar="TOPIC", help="Kafka topic")
    parser.add_argument(
        "-X",
        dest="properties",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a librdkafka property, repeatable; overrides the file's; secrets: KEY.file=PATH or KEY.env=VARIABLE",
    )
    parser.add_argument(
        "-F",
        "--kafka-config",
        metavar="FILE",
        type=Path,
        help="librdkafka properties, one key=value a line; may have groups [kafka-global] and [kafka-topic]",
    )


@dataclass(frozen=True)
class Property:
    """One key=value and where it was given: "command line", or file:line."""

    key: str
    value: str = field(repr=False)  # it may be a secret
    place: str
    elsewhere: tuple[str, str] | None = None
    """Of a secret that was looked up (KEY.file, KEY.env): key and value as they were given."""


COMMAND_LINE = "command line"


def given(brokers: str | None, file: Path | None, overrides: Sequence[str]) -> Iterator[Property]:
    """Yield the properties of a command line, those that win last.

    Raises UsageError naming the place and the key, never a secret value.
    """
    if file is not None:
        yield from read(file)
    for override in overrides:
        yield _split(override, COMMAND_LINE, "-X", "-X linger.ms=5")
    if brokers is not None:
        _check_twice(brokers.strip(), overrides)
        yield Property(BOOTSTRAP, brokers.strip(), COMMAND_LINE)


def _check_twice(brokers: str, overrides: Sequence[str]) -> None:
    """Raise UsageError when -X names other brokers than -b: whichever was meant, one of them is a mistake."""
    for override in overrides:
        key, _, value = override.partition("=")
        if canonical(key.strip()) == BOOTSTRAP and value.strip() != brokers:
            raise UsageError(f"-b {brokers} and -X {override} name different brokers; leave one of them out")


def merge(properties: Iterable[Property]) -> list[Property]:
    """Return the last one of each name, checked, with the values of secrets from where they are.

    A secret has one name and three ways to be given. The last one counts, whichever way; two ways in one place are an
    error. Raises UsageError as given() does, also if no brokers are named at all.
    """
    last: dict[str, Property] = {}
    for each in properties:
        secret_properties.check_form(each.key, _shown(each))
        name = name_of(each.key)
        before = last.get(name)
        if before is not None and name in secret_properties.SECRETS and _contradict(before, each):
            raise UsageError(f"{_shown(each)}: {each.key}: {before.key} is given there too; remove one of them")
        last[name] = each
    merged = [_looked_up(name, each) for name, each in last.items()]
    values = {each.key: each.value for each in merged}
    if not values.get(BOOTSTRAP):
        raise UsageError(f"no Kafka brokers are named; give -b HOST:PORT, or {BOOTSTRAP} with -X or in the -F file")
    _check_ports(values[BOOTSTRAP])
    for key, value in values.items():
        if not _encodable(key + value):
            raise UsageError(f"Kafka property {key!a}: has characters that are no text in UTF-8; remove them")
    if values.get("group.id") == "":
        raise UsageError("group.id is empty; name a group or leave the property out")
    return merged


def _contradict(one: Property, other: Property) -> bool:
    """Return whether two in the same file, or on the command line, give a secret in different ways."""
    return one.key != other.key and _source(one) == _source(other)


def _source(each: Property) -> str:
    return each.place if each.place == COMMAND_LINE else each.place.rpartition(":")[0]


def _shown(each: Property) -> str:
    return "-X" if each.place == COMMAND_LINE else each.place


def _looked_up(name: str, each: Property) -> Property:
    if secret_properties.split(each.key)[1] == "":
        return Property(name, each.value, each.place)
    value = secret_properties.look_up(each.key, each.value, _shown(each))
    return Property(name, value, each.place, elsewhere=(each.key, each.value))


def name_of(key: str) -> str:
    """Return the one name of a property: without what says where a secret is."""
    return canonical(secret_properties.split(key)[0])


def canonical(key: str) -> str:
    """Return the one name of a property that goes by two."""
    return BOOTSTRAP if key == _BOOTSTRAP_ALIAS else key


def bootstrap_servers(properties: Mapping[str, str]) -> list[str]:
    """Return host:port of each broker that the properties name; librdkafka also takes PROTOCOL://HOST:PORT."""
    servers = []
    for broker in properties[BOOTSTRAP].split(","):
        name = broker.strip().rpartition("://")[2]
        has_port = ":" in name.rpartition("]")[2]
        servers.append(name if has_port else f"{name}:{_PORT}")
    return servers


def make_client(factory: Callable[..., Client], properties: Mapping[str, Any], **keywords: Any) -> Client:
    """Return `factory(properties, **keywords)`; raise UsageError if the client refuses a property."""
    try:
        return factory(dict(properties), **keywords)
    except KafkaException as error:
        raise client_error(error) from None
    except (TypeError, ValueError) as error:
        # The names that the Python client takes for itself (error_cb, …) want objects, which text never is.
        raise UsageError(f"Kafka client: {_one_line(str(error))}; remove the property") from None


def client_error(error: KafkaException, doing: str = "Kafka client") -> FastcapaError:
    """Convert what a client raised: UsageError for properties that it refuses, RunTimeError for all else."""
    cause = error.args[0] if error.args else None
    if not isinstance(cause, KafkaError):
        return RunTimeError(f"{doing}: {_one_line(str(error))}")
    text = _one_line(cause.str())
    if "No provider for SASL mechanism GSSAPI" in text:
        return UsageError(
            f"{doing}: the library of the Python package confluent-kafka has no Kerberos (GSSAPI), which only capture"
            " has otherwise; use a listener with another sasl.mechanism here"
        )
    if cause.code() in (KafkaError._INVALID_ARG, KafkaError._CONFLICT):
        return UsageError(f"{doing}: {text}; check -X and -F against {REFERENCE}")
    return RunTimeError(f"{doing}: {text}")


def read(file: Path) -> Iterator[Property]:
    """Yield what a librdkafka properties file, or an ini file of the first Fastcapa, says; raises as given() does."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; -F wants a readable file of Kafka properties") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: not a text file in UTF-8; -F wants lines of key=value") from None
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        place = f"{file}:{number}"
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            if line.strip("[] \t") not in _GROUPS:
                known = " and ".join(f"[{group}]" for group in _GROUPS)
                raise UsageError(f"{place}: unknown group {line}; the groups are {known}")
            continue
        yield _split(line, place, place, "linger.ms=5")


def _split(text: str, place: str, shown_place: str, example: str) -> Property:
    """Return the property "key=value"; the error shows the key only, as the rest may be a secret."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key:
        name = _NAME.match(key)
        shown = f"{name[0]!r} " if name and name[0] == key else f"{name[0]!r}... " if name else ""
        raise UsageError(f"{shown_place}: {shown}is not key=value; write for example {example}")
    if "\0" in text:
        raise UsageError(f"{shown_place}: the value of {key} holds a NUL character; remove it")
    return Property(key, value, place)


def _check_ports(brokers: str) -> None:
    """Raise UsageError for a port that is none: the library would take it for another one."""
    for broker in brokers.split(","):
        _, colon, port = broker.strip().rpartition(":")
        if colon and "]" not in port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise UsageError(f"broker {broker.strip()!a}: {port!a} is not a port; write HOST:PORT, 1 to 65535")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _one_line(text: str) -> str:
    return " ".join(text.split())
