"""The JSON Schema of the configuration file, for editors: from the model that checks it and the words of the help."""

from __future__ import annotations

import argparse
from typing import Any

from fastcapa.config import CaptureConfig
from fastcapa.configuration import keys

Schema = dict[str, Any]


def schema(capture: argparse.ArgumentParser) -> Schema:
    """Return the schema; `capture` is the subcommand's parser."""
    words = descriptions(capture)
    fields = CaptureConfig.model_json_schema()["properties"]
    properties: Schema = {
        key: {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 4095}, "maxItems": 32}
        for key in keys.SOURCES
    }
    properties |= {key: {"type": "string"} for key in keys.KAFKA}
    properties |= {key: _plain(fields[field]) for key, field in keys.OPTIONS.items()}
    for key, each in properties.items():
        each["description"] = words[key]
    properties[keys.PROPERTIES] = {
        "description": "Kafka properties, by the names of librdkafka",
        "$ref": "#/$defs/properties",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fastcapa capture --config",
        "description": capture.description,
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": {
            "properties": {
                "type": "object",
                "additionalProperties": {
                    # linger.ms = 5 without quotes is a table in a table to TOML.
                    "anyOf": [{"type": ["string", "number", "boolean"]}, {"$ref": "#/$defs/properties"}]
                },
            }
        },
    }


def descriptions(capture: argparse.ArgumentParser) -> dict[str, str]:
    """Return the help of each key: that of the option, or of the filter."""
    words: dict[str, str] = {}
    for action in capture._actions:
        for name in (flag[2:] for flag in action.option_strings if flag.startswith("--")):
            words.setdefault(name, action.help or "")
    (filter_,) = (action for action in capture._actions if action.dest == "filter")
    return words | {"filter": filter_.help or ""}


def _plain(field: Schema) -> Schema:
    """Return a field's schema in TOML's terms: it has no null, what is not set is not there."""
    choices = [each for each in field.get("anyOf", []) if each != {"type": "null"}]
    # Several are plain types (a number, or a text such as "10G").
    chosen = {"type": [each["type"] for each in choices]} if len(choices) > 1 else [*choices, field][0]
    plain = {key: value for key, value in (field | chosen).items() if key not in ("title", "anyOf", "description")}
    if plain.get("default", 0) is None:
        del plain["default"]
    return plain
