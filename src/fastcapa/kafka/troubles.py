"""What is told of troubles that last: their beginning, a line a minute, their end."""

import time
from collections.abc import Callable, Hashable

INTERVAL_S = 60.0


class Troubles:
    """Rows of failures, by key: of a node, of the metadata."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._said_at: dict[Hashable, float] = {}

    def failed(self, key: Hashable, text: str) -> None:
        """Log the first failure of a row, and later ones at most once a minute."""
        now = self._clock()
        if key not in self._said_at or now - self._said_at[key] >= INTERVAL_S:
            self._said_at[key] = now
            self._log(text)

    def worked(self, key: Hashable, text: str, *more: Hashable) -> None:
        """End a row, and others with it; with a line if there was one."""
        if [each for each in (key, *more) if self._said_at.pop(each, None) is not None]:
            self._log(text)
