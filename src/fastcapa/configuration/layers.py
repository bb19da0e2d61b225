"""The command line over the configuration file over the defaults, and which of them each value comes from.

An option of the command line replaces the file's value. Sources are one list: any source on the command line
replaces all of the file's. Kafka properties combine key by key; of those that name the same key the last one counts:
the file's `kafka-config`, its `[properties]`, its `brokers`, then the command line's -F, -X and -b. A -F replaces the
file's `kafka-config`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastcapa.config import CaptureConfig, validate
from fastcapa.configuration import keys, toml_file
from fastcapa.errors import UsageError
from fastcapa.kafka import properties
from fastcapa.kafka.properties import BOOTSTRAP, COMMAND_LINE, Property
from fastcapa.kafka.secret_properties import FILE
from fastcapa.kafka.topics import check_name

DEFAULT = "default"

# What a message names: an option, the filter, a Kafka property, or a broker, which is one.
_OPTION = re.compile(r"--([a-z][a-z-]*)")
_LEADING_OPTION = re.compile(r"^--([a-z-]+) (?=[^:]*: )")
_PROPERTY = re.compile(r"property:? ['\"]([\w.]+)['\"]")


@dataclass
class Origins:
    """Where the values of a configuration come from: "default", "command line" or file:line."""

    options: dict[str, str] = field(default_factory=dict)
    """By key of the file; what is not there is a default."""
    properties: dict[str, str] = field(default_factory=dict)
    """By name."""
    merged: list[Property] = field(default_factory=list)
    """The properties that count."""
    kafka_config: str | None = None
    """The file of Kafka properties."""

    def option(self, key: str) -> str:
        """Return the origin of an option."""
        return self.options.get(key, DEFAULT)

    def has_secret_files(self) -> bool:
        """Return whether a secret is in a file of its own."""
        return any(each.elsewhere is not None and each.elsewhere[0].endswith(FILE) for each in self.merged)

    def explain(self, message: str) -> str:
        """Return a message about a value with the place in the file that it was given at, if it was there."""
        place = self._place(message)
        if place is None or place in (DEFAULT, COMMAND_LINE) or message.startswith(place):
            return message
        return f"{place}: {_LEADING_OPTION.sub(lambda match: f'{match[1]} = ', message)}"

    def _place(self, message: str) -> str | None:
        if (named := _PROPERTY.search(message)) is not None:
            return self.properties.get(named[1])
        if message.startswith("broker "):
            return self.properties.get(BOOTSTRAP)
        if message.startswith("filter "):
            return self.options.get("filter")
        if "cannot be a topic" in message:
            return self.options.get("topic")
        return next((self.options[key] for key in _OPTION.findall(message) if key in self.options), None)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Give each UsageError that is raised inside the place in the file that it is about."""
        try:
            yield
        except UsageError as error:
            raise UsageError(self.explain(str(error))) from None


@dataclass
class _Layer:
    options: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """Value and origin by key of the file."""
    sources: list[dict[str, str]] = field(default_factory=list)
    properties: list[Property] = field(default_factory=list)
    kafka_config: tuple[str, str] | None = None


def resolve(arguments: Mapping[str, Any], file: str | None) -> tuple[CaptureConfig, Origins]:
    """Return the checked configuration of a parsed command line over a file, and where its values come from.

    Raises UsageError with the place, the key, the limit and the remedy of the first thing that is wrong.
    """
    below = _file_layer(file, kafka_config=arguments.get("kafka_config")) if file is not None else _Layer()
    above = _command_line_layer(arguments)
    options = below.options | above.options
    origins = Origins({key: origin for key, (_, origin) in options.items()})
    chosen = above.kafka_config or below.kafka_config
    if chosen is not None:
        origins.kafka_config, origins.options["kafka-config"] = chosen
    for key, kind in keys.SOURCES.items():
        if above.sources and any(source["kind"] == kind for source in above.sources):
            origins.options[key] = COMMAND_LINE
        elif above.sources:
            origins.options.pop(key, None)
    merged = [*below.properties, *above.properties]
    # Before they are merged, for what is wrong with them may be just that.
    origins.properties = {properties.name_of(each.key): each.place for each in merged}
    with origins.explained():
        values = {keys.OPTIONS[key]: value for key, (value, _) in options.items() if key in keys.OPTIONS}
        values["topic"] = check_name(values.get("topic"))
        origins.merged = properties.merge(merged)
        values["properties"] = {each.key: each.value for each in origins.merged}
        values["sources"] = above.sources or below.sources
        return validate(values), origins


def _file_layer(file: str, *, kafka_config: Path | None) -> _Layer:
    layer = _Layer()
    table: list[Property] = []
    brokers: list[Property] = []
    for entry in toml_file.read(file):
        place = f"{file}:{entry.line}"
        if entry.path[0] == keys.PROPERTIES and len(entry.path) > 1:
            key = properties.canonical(".".join(entry.path[1:]))
            same = properties.name_of(key)
            twice = next((each for each in table if properties.name_of(each.key) == same), None)
            if twice is not None:
                raise UsageError(f"{place}: {same} was given at {twice.place} already; remove one of them")
            table.append(Property(key, keys.property_text(entry, file), place))
            continue
        if entry.path == (keys.PROPERTIES,) and entry.value == {}:
            continue
        value = keys.value(entry, file)
        (key,) = entry.path
        layer.options[key] = (value, place)
        if key in keys.SOURCES:
            layer.sources += [{"kind": keys.SOURCES[key], "name": name} for name in value]
        elif key == "brokers":
            brokers = [Property(BOOTSTRAP, value.strip(), place)]
        elif key == "kafka-config":
            layer.kafka_config = (value, place)
    if layer.kafka_config is not None and kafka_config is None:
        layer.properties += _kafka_config(*layer.kafka_config)
    layer.properties += [*table, *brokers]
    return layer


def _kafka_config(file: str, place: str) -> list[Property]:
    try:
        return list(properties.read(Path(file)))
    except UsageError as error:
        raise UsageError(f"{place}: kafka-config: {error}") from None


def _command_line_layer(arguments: Mapping[str, Any]) -> _Layer:
    layer = _Layer(sources=arguments.get("sources", []))
    fields = {name: key for key, name in keys.OPTIONS.items()}
    for name, value in arguments.items():
        if name == "filter":
            # No words at all leave the file's filter.
            if value:
                layer.options["filter"] = (" ".join(value), COMMAND_LINE)
        elif name in fields:
            layer.options[fields[name]] = (value, COMMAND_LINE)
    kafka_config = arguments.get("kafka_config")
    if kafka_config is not None:
        layer.kafka_config = (str(kafka_config), COMMAND_LINE)
    layer.properties = list(properties.given(arguments.get("brokers"), kafka_config, arguments.get("properties") or []))
    return layer
