"""The keys of the configuration file: the long options of the command line, without their dashes."""

import difflib
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from fastcapa.config import CaptureConfig, SourceKind
from fastcapa.configuration.toml_file import Entry
from fastcapa.errors import UsageError

SOURCES = {kind.value: kind for kind in (SourceKind.INTERFACE, SourceKind.FILE, SourceKind.DEVICE)}
"""Keys that name sources, several each."""
PROPERTIES = "properties"
"""The table of Kafka properties."""
KAFKA = ("brokers", "kafka-config")
"""Keys that name properties in another way."""
# Fields whose option has another name.
_NAMES = {"promiscuous": "promiscuous-mode"}
_NOT_OPTIONS = ("sources", "properties")

OPTIONS = {
    _NAMES.get(name, name.replace("_", "-")): name for name in CaptureConfig.model_fields if name not in _NOT_OPTIONS
}
"""Key and field of each option that is a field of the configuration."""
KEYS = (*SOURCES, *KAFKA, *OPTIONS)


def _type_of(field: str) -> Any:
    """Return the type of a field, with what reads its values, without its limits: those are checked with all others."""
    info = CaptureConfig.model_fields[field]
    readers = [part for part in info.metadata if isinstance(part, BeforeValidator)]
    return Annotated[info.annotation, *readers] if readers else info.annotation


_TYPES: dict[str, TypeAdapter[Any]] = {
    **{key: TypeAdapter(list[str]) for key in SOURCES},
    **{key: TypeAdapter(str) for key in KAFKA},
    **{key: TypeAdapter(_type_of(field)) for key, field in OPTIONS.items()},
}


def key_of(field: str) -> str:
    """Return the key, which is the long option too, of a field of the configuration."""
    return _NAMES.get(field, field.replace("_", "-"))


def value(entry: Entry, file: str) -> Any:
    """Return the value of a known key, of the type that it has to be; raise UsageError."""
    place, key = f"{file}:{entry.line}", ".".join(entry.path)
    if key not in KEYS:
        raise UsageError(f"{place}: {_unknown(entry.path)}")
    try:
        # Strict: "96" is no number, and true is not 1.
        return _TYPES[key].validate_python(entry.value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        wanted = first["msg"].removeprefix("Input should be ")
        # One source is a list of one.
        remedy = f'; write {key} = ["{entry.value}"]' if key in SOURCES and isinstance(entry.value, str) else ""
        raise UsageError(f"{place}: {key} = {_shown(entry.value)}: {wanted} is wanted{remedy}") from None


def property_text(entry: Entry, file: str) -> str:
    """Return the value of a Kafka property as librdkafka takes it; raise UsageError."""
    key, given = ".".join(entry.path[1:]), entry.value
    place = f"{file}:{entry.line}"
    if key in KEYS:
        raise UsageError(f"{place}: {key} is an option, no Kafka property; move it above [{PROPERTIES}]")
    if isinstance(given, bool):
        return "true" if given else "false"
    if not isinstance(given, (str, int, float)):
        raise UsageError(f"{place}: {key}: a Kafka property is a string, a number, true or false")
    text = str(given)
    if "\0" in text:
        raise UsageError(f"{place}: the value of {key} holds a NUL character; remove it")
    return text


def _unknown(path: tuple[str, ...]) -> str:
    key = ".".join(path)
    if len(path) > 1 and path[-1] in KEYS:
        return f"there is no table {'.'.join(path[:-1])}; write {path[-1]} above all tables"
    if path[0] == PROPERTIES:
        return f"{PROPERTIES} is a table of Kafka properties; write [{PROPERTIES}], and one key = value a line below it"
    if key.startswith("no-") and key.removeprefix("no-") in KEYS:
        return f"unknown key {key}; write {key.removeprefix('no-')} = false"
    if "." in key and len(path) > 1:
        return f"unknown key {key}; Kafka properties stand below [{PROPERTIES}]"
    return f"unknown key {key}; {_suggestion(key, KEYS)}"


def _suggestion(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key.replace("_", "-").lower(), known, n=1)
    return f"did you mean {close[0]}?" if close else "`fastcapa capture --help` lists the options, which are the keys"


def _shown(given: object) -> str:
    text = f'"{given}"' if isinstance(given, str) else str(given).lower() if isinstance(given, bool) else str(given)
    text = text.encode("ascii", "backslashreplace").decode()
    text = text.replace("\n", "\\n").replace("\0", "\\0").replace("\r", "\\r")
    return text if len(text) <= 60 else text[:57] + "..."
