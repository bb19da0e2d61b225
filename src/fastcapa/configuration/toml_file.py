"""A TOML file with the line of each value.

`tomllib` says what a file holds, not where, and no kept library does both. So the text is cut into its statements,
which takes one expression of TOML's strings, comments and brackets, and `tomllib` parses each of them again, alone, for
its key.
"""

import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastcapa.errors import UsageError

BYTES_MAX = 1 << 18  # a configuration is a page long
# tomllib takes memory with the square of the dots in a key; a filter of 170 addresses has as many in its line.
DOTS_MAX = 512
# What may hide a bracket or the end of a line, and brackets and ends of lines themselves.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'" r"|#[^\n]*|[][{}\n]", re.DOTALL
)
_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One value: `path` are the names of its table and key, `line` counts from 1."""

    path: KeyPath
    value: Any
    line: int


def read(file: str) -> list[Entry]:
    """Return the values of a file, in its order; raise UsageError with file, line and remedy."""
    text = _text(file)
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > DOTS_MAX:
            raise UsageError(f"{file}:{number}: has more than {DOTS_MAX} dots; spread them over several lines")
    try:
        tomllib.loads(text)
        return list(_entries(text))
    except RecursionError:
        raise UsageError(f"{file}: brackets within brackets, too deep for any configuration; remove them") from None
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        raise UsageError(_duplicate(file, text) or _syntax(file, text, str(error))) from None


def _text(file: str) -> str:
    try:
        path = Path(file)
        # A pipe (`--config <(...)`) is read as well; a device may have no end.
        if stat.S_ISCHR(path.stat().st_mode) or stat.S_ISBLK(path.stat().st_mode):
            raise UsageError(f"{file!a}: is a device; --config wants a TOML file")
        with path.open("rb") as stream:
            content = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{file!a}: {error.strerror}; --config wants a readable TOML file") from None
    except ValueError:  # a NUL in the name
        raise UsageError(f"{file!a}: cannot be the name of a file; --config wants a readable TOML file") from None
    if len(content) > BYTES_MAX:
        raise UsageError(f"{file}: larger than {BYTES_MAX >> 10} KiB, which no configuration is; name another file")
    try:
        # As tomllib.load() does it; a byte order mark is what some editors leave.
        return content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{file}:{line}: byte {content[error.start]:#x} is not UTF-8; save the file as UTF-8"
        ) from None


def _syntax(file: str, text: str, message: str) -> str:
    place = _PLACE.search(message)
    line = place[1] if place and place[1] else text.rstrip("\n").count("\n") + 1
    words = " ".join(_PLACE.sub("", message).encode("ascii", "backslashreplace").decode().split())
    return f'{file}:{line}: is not TOML: {words}; write for example snaplen = 96 or topic = "pcap"'


def _duplicate(file: str, text: str) -> str | None:
    """Return what to say of the first key that is given twice, if that is what is wrong."""
    lines: dict[KeyPath, int] = {}
    try:
        for entry in _entries(text):
            if entry.path in lines:
                name = ".".join(entry.path)
                return f"{file}:{entry.line}: {name} was given in line {lines[entry.path]} already; remove one of them"
            lines[entry.path] = entry.line
    except (ValueError, RecursionError):
        pass  # something else is wrong, before any such key
    return None


def _entries(text: str) -> Iterator[Entry]:
    table: KeyPath = ()
    for line, statement in _statements(text):
        values = tomllib.loads(statement)
        if statement.startswith("["):
            table = next(_leaves(values, ()))[0]
            yield from (Entry(path, value, line) for path, value in _leaves(values, ()) if isinstance(value, list))
            continue
        for path, value in _leaves(values, table):
            yield Entry(path, value, line)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each statement with its line: a key and its value, or the name of a table."""
    begin = depth = 0
    line = next_line = 1
    for token in _TOKEN.finditer(text + "\n"):
        word = token[0]
        next_line += word.count("\n")
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(word, 0)
        if word == "\n" and depth <= 0:
            statement = text[begin : token.start()].strip()
            if statement and not statement.startswith("#"):
                yield line, statement
            begin, line, depth = token.end(), next_line, 0


def _leaves(values: dict[str, Any], above: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Yield each value under its whole name; `linger.ms = 5` is a name with a dot, as are Kafka's."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
