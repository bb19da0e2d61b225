"""What is done about each error code: the table in C and the one in the documentation are one."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import kafka.errors
from support.c_programs import DATAPLANE, build

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (-?\d+) \| `(\w+)` \| (\w+) \|", re.MULTILINE)


class Entry(ctypes.Structure):
    """struct fc_produce_error."""

    _fields_ = (("code", ctypes.c_int16), ("action", ctypes.c_int), ("name", ctypes.c_char_p))


def actions() -> list[str]:
    header = (DATAPLANE / "producer" / "produce_error.h").read_text()
    return [name.lower() for name in re.findall(r"^\tFC_PRODUCE_(\w+),", header, re.MULTILINE)]


def c_table(directory: Path) -> dict[int, tuple[str, str]]:
    shared = directory / "produce_error.so"
    build(shared, [], ["producer/produce_error.c", "-shared", "-fPIC"], sanitizers=[])
    lookup = ctypes.CDLL(str(shared)).fc_produce_error
    lookup.argtypes = [ctypes.c_int16]
    lookup.restype = ctypes.POINTER(Entry)
    entries = {code: lookup(code).contents for code in range(-(2**15), 2**15)}
    other = entries.pop(-(2**15))  # stands for every code that is not in the table
    assert actions()[other.action] == "rejected"
    return {code: (e.name.decode(), actions()[e.action]) for code, e in entries.items() if e.code == code}


def test_code_and_document_agree(tmp_path: Path) -> None:
    rows = ROW.findall((ROOT / "docs" / "direct-producer-errors.md").read_text())
    documented = {int(code): (name, action) for code, name, action in rows}
    assert len(documented) == len(rows), "a code twice"
    assert list(documented) == sorted(documented)
    assert c_table(tmp_path) == documented


def test_whatever_a_kafka_client_repeats_is_repeated(tmp_path: Path) -> None:
    """kafka-python's idea of what can be retried, and ours, differ only where this says so."""
    table = c_table(tmp_path)
    ours = {code for code, (_, action) in table.items() if action in ("again", "leader")}
    theirs = {code for code in table if getattr(kafka.errors.for_code(code), "retriable", False)}
    assert theirs - ours == set()
    assert ours - theirs == {2, 8}  # librdkafka (both) and Java (2) repeat them
