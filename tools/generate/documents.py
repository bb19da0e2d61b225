"""Writes what is made from the code: man pages, shell completion, the JSON Schema, docs/configuration.md.

`python tools/generate/documents.py`, or `make generated`. A test says when they are no longer what the code says.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

# As wide everywhere as here, whoever generates.
os.environ["COLUMNS"] = "80"

import shtab
from man import page
from reference import reference
from schema import schema

from fastcapa.cli.main import SUBCOMMANDS, build_parser

ROOT = Path(__file__).parents[2]

_PREAMBLE = {
    "bash": '_fastcapa_interfaces() { compgen -W "$(ls /sys/class/net 2>/dev/null) any" -- "$1"; }',
    "zsh": '_fastcapa_interfaces() { _values interface ${(f)"$(ls /sys/class/net 2>/dev/null)"} any }',
}
_INTERFACES = {"bash": "_fastcapa_interfaces", "zsh": "_fastcapa_interfaces"}


def documents() -> dict[str, str]:
    """Return what is in each of the files, by path in the repository."""
    parser = build_parser(None)
    (subparsers,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    commands = subparsers.choices
    the_schema = schema(commands["capture"])
    made = {
        "packaging/fastcapa.schema.json": json.dumps(the_schema, indent=2) + "\n",
        "docs/configuration.md": reference(commands["capture"], the_schema),
    }
    pages = ["fastcapa", *(f"fastcapa-{name}" for name in SUBCOMMANDS)]
    for name, text in SUBCOMMANDS.items():
        made[f"packaging/man/fastcapa-{name}.1"] = page(commands[name], text, pages)
    # The subcommands have pages of their own; the first one has what is said of them.
    made["packaging/man/fastcapa.1"] = page(_overview(), "a packet-to-Kafka probe", pages)
    for name, each in commands.items():
        _complete(each)
        # shtab completes subcommands that have a line in the list of them, which those that are loaded do without.
        subparsers._choices_actions.append(subparsers._ChoicesPseudoAction(name, (), SUBCOMMANDS[name]))
    made["packaging/completions/fastcapa.bash"] = shtab.complete(parser, "bash", preamble=_PREAMBLE["bash"])
    made["packaging/completions/_fastcapa"] = shtab.complete(parser, "zsh", preamble=_PREAMBLE["zsh"])
    return {path: "\n".join(line.rstrip() for line in text.splitlines()) + "\n" for path, text in made.items()}


def _overview() -> argparse.ArgumentParser:
    """Return a parser with the subcommands as if they were arguments, each with its line."""
    whole = build_parser([])
    parser = argparse.ArgumentParser("fastcapa", usage="fastcapa COMMAND [OPTION ...]", description=whole.description)
    parser.add_argument("--version", action="version", version="", help="show the version and end")
    group = parser.add_argument_group("commands")
    for name, text in SUBCOMMANDS.items():
        group.add_argument(name, metavar=name, help=f"{text}; see fastcapa-{name}(1)")
    return parser


def _complete(parser: argparse.ArgumentParser) -> None:
    """Tell shtab what a value is, by its place holder in the help."""
    for action in parser._actions:
        if isinstance(action.metavar, str) and action.metavar.startswith("FILE") and action.dest != "filter":
            vars(action)["complete"] = shtab.FILE
        elif action.metavar == "IF":
            vars(action)["complete"] = _INTERFACES


def main() -> None:
    """Write all of them."""
    for path, text in documents().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)


if __name__ == "__main__":
    main()
