"""docs/configuration.md: the reference of options and keys, from the code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from schema import Schema, descriptions

from fastcapa.configuration import keys

HEAD = (Path(__file__).parent / "configuration-head.md").read_text()


def reference(capture: argparse.ArgumentParser, the_schema: Schema) -> str:
    """Return the document; `capture` is the subcommand's parser."""
    words = descriptions(capture)
    shown: set[str] = set()
    parts = [HEAD]
    for group in capture._action_groups:
        rows = []
        for action in group._group_actions:
            names = [flag[2:] for flag in action.option_strings if flag.startswith("--")]
            key = next(iter(names), action.dest)
            if key not in keys.KEYS:  # --no-NAME alone is a value of NAME
                continue
            shown.add(key)
            flags = [flag for flag in action.option_strings if not flag.startswith("--no-")] or ["words at the end"]
            rows.append(_row(key, flags, the_schema["properties"][key], words[key]))
        if rows:
            title = group.title or ""
            title = "Filter" if title.startswith("positional") else f"{title[0].upper()}{title[1:]}"
            parts.append(
                f"## {title}\n\n| key | option | value | default | |\n|---|---|---|---|---|\n" + "\n".join(rows)
            )
    missing = set(keys.KEYS) - shown
    if missing:
        raise AssertionError(f"keys that no option shows: {missing}")
    return "\n".join(f"{part}\n" if part is not HEAD else part for part in parts)


def _row(key: str, flags: list[str], rules: dict[str, Any], words: str) -> str:
    options = ", ".join(f"`{flag}`" if flag.startswith("-") else flag for flag in flags)
    default = f"`{json.dumps(rules['default'])}`" if "default" in rules else ""
    return f"| `{key}` | {options} | {_value(rules)} | {default} | {words.replace('|', '&#124;')} |"


def _value(rules: dict[str, Any]) -> str:
    if "enum" in rules:
        values = [json.dumps(value) for value in rules["enum"]]
        if all(isinstance(value, int) for value in rules["enum"]):
            return f"power of two, {values[0]} to {values[-1]}"
        return ", ".join(f"`{value}`" for value in values)
    if rules["type"] == "array":
        return "list of strings"
    if isinstance(rules["type"], list):
        return " or ".join(rules["type"])
    name = {"integer": "integer", "number": "number", "boolean": "`true`, `false`", "string": "string"}[rules["type"]]
    if "minimum" in rules and "maximum" in rules:
        return f"{name}, {rules['minimum']:.0f} to {_most(rules['maximum'])}"
    return name


def _most(number: float) -> str:
    return "2⁶³ - 1" if number == 2**63 - 1 else f"{number:.0f}"
