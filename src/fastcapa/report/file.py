"""A report as a file of JSON."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from fastcapa.errors import RunTimeError, UsageError
from fastcapa.stats import Report


def check_target(target: str | None, option: str = "--report") -> None:
    """Raise UsageError now for a file that could not be written at the end of a long run."""
    if target is None or target == "-":
        return
    path = Path(target)
    if path.is_dir():
        raise UsageError(f"{option} {target}: is a directory; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {target}: there is no directory {path.parent}; make it, or name another file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{option} {target}: this user may not write it; name another file")


def write_report(report: Report, target: str) -> None:
    """Write the report as JSON to a file, or to standard output for "-"; raise RunTimeError if that fails."""
    text = json.dumps(report, indent=1) + "\n"
    try:
        if target == "-":
            if sys.stdout is None:
                raise RunTimeError("cannot write the report to standard output: it is closed")
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            _replace(Path(target), text)
    except OSError as error:
        raise RunTimeError(f"cannot write the report to {target}: {error.strerror}") from None


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all: a disk that is full leaves what was there before."""
    path = path.resolve()  # a link stays one
    in_place = path.exists() and not (path.is_file() and os.access(path.parent, os.W_OK))
    if in_place:  # a device, a pipe, or a file in a directory that takes no other
        path.write_text(text)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # some file systems find out only now that they are full
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o7777)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
