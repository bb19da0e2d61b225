"""What the user is told while it happens: lines on standard error, for people or machines. Nothing is said per packet.

Text is `fastcapa: ` and the line; under a service manager its level stands before it (sd-daemon(3)), which the journal
takes off again. JSON is one object a line: time (RFC 3339, UTC), level, message.
"""

import contextlib
import json
import os
import sys
import syslog
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import Literal, Protocol

from fastcapa.errors import printable

Format = Literal["text", "json"]
LevelName = Literal["error", "warning", "notice", "info"]
_WARNING = "warning: "


class Level(IntEnum):
    """How much a line matters; the numbers are syslog's, the smaller the graver."""

    ERROR = syslog.LOG_ERR
    WARNING = syslog.LOG_WARNING
    NOTICE = syslog.LOG_NOTICE
    """Something happened that is nobody's mistake: a link went down, a drain began."""
    INFO = syslog.LOG_INFO


class Log(Protocol):
    """Takes a line for the user."""

    def __call__(self, text: str, level: Level = Level.INFO, /) -> None:
        """Say one line, without a newline. One that begins with "warning: " is a warning without being called so."""


def say(line: str) -> None:
    """Print a line on standard error. Nobody there to read it is no reason to lose packets."""
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


class Logger:
    """The one place that knows what a line looks like. `write` gets each of them, as it is to be shown."""

    def __init__(self, format_: Format = "text", level: LevelName = "info", write: Callable[[str], None] = say) -> None:
        self.write = write
        self._format: Format
        self._least: Level
        self._journal = _stderr_is_journal()
        self.configure(format_, level)

    def configure(self, format_: Format, level: LevelName) -> None:
        """Say lines in this format, those of this level and graver ones."""
        self._format, self._least = format_, Level[level.upper()]

    def __call__(self, text: str, level: Level = Level.INFO, /) -> None:
        """Say a line of the probe."""
        message = text.removeprefix(_WARNING)
        self._line(message, f"fastcapa: {text}", min(level, Level.WARNING) if message != text else level)

    def result(self, text: str) -> None:
        """Say a line of the result, which is shown as it is, such as tcpdump's last ones."""
        self._line(text, text, Level.INFO)

    def _line(self, text: str, for_people: str, level: Level) -> None:
        if level > self._least:
            return
        if self._format == "json":
            time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            self.write(json.dumps({"time": time, "level": level.name.lower(), "message": text}))
        else:
            line = printable(for_people)  # a name or a broker's words may have anything in them
            self.write(f"<{level.value}>{line}" if self._journal else line)


def _stderr_is_journal() -> bool:
    """Whether standard error goes to systemd's journal, by what it says of it in the environment: DEVICE:INODE."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


log = Logger()
"""The probe's own; its format and level are those of the command line as soon as they are known."""
