"""The filter and snaplen of a pipeline that runs, and how they become others; the engine's side of SIGHUP."""

import syslog
import time
from typing import Any, Protocol

from fastcapa._dataplane import DataplaneError

# What cannot be changed now (a change is under way, an interface is away) is tried again after so long.
AGAIN_S = 0.2


class Pipeline(Protocol):
    """What is needed of one."""

    def change(self, filter: str, snaplen: int) -> bool:
        """Give all rx workers another filter and snaplen; False: try again later."""

    def changing(self) -> int:
        """Return how many rx workers the last change has not reached yet."""


class Rules:
    """Those that are in force, and the newest ones that are wanted."""

    def __init__(self, pipeline: Pipeline, filter_: str, snaplen: int) -> None:
        """`filter_` and `snaplen`: those that it was started with."""
        self._pipeline = pipeline
        self._in_force = (filter_, snaplen)
        self._since = time.time()
        self._changes = 0
        self._wanted: tuple[str, int] | None = None
        self._under_way: tuple[str, int] | None = None
        self._due = 0.0  # monotonic

    def want(self, filter_: str, snaplen: int) -> None:
        """Have other rules as soon as can be; they replace those that wait for that."""
        self._wanted, self._due = (filter_, snaplen), 0.0

    def look(self) -> tuple[int, str] | None:
        """Go on with a change, if there is one; return a line for the log with its level. Call it in every round."""
        if self._under_way is not None:
            if self._pipeline.changing() > 0:
                return None
            self._in_force, self._under_way = self._under_way, None
            self._since = time.time()
            self._changes += 1
            words, snaplen = self._in_force
            text = f"the filter is '{words}'" if words else "there is no filter"
            return syslog.LOG_NOTICE, f"{text}, snaplen is {snaplen}, in all rx workers"
        if self._wanted is None or time.monotonic() < self._due:
            return None
        try:
            if self._pipeline.change(*self._wanted):
                self._under_way, self._wanted = self._wanted, None
            self._due = time.monotonic() + AGAIN_S
        except DataplaneError as error:
            self._wanted = None
            return syslog.LOG_ERR, f"the new filter is not taken, the old one stays: {error}"
        return None

    def report(self) -> dict[str, Any]:
        """Return what the report says: the rules in force, since when (Unix time, seconds), how often they changed."""
        words, snaplen = self._in_force
        return {"filter": words, "snaplen": snaplen, "since": round(self._since, 3), "changes": self._changes}
