"""When to try again."""

import random


class Backoff:
    """Waits that double from `first_s` to `max_s`, each 20 % shorter or longer by chance: no two probes in step."""

    _JITTER = 0.2  # as Kafka's own clients and librdkafka have it

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = min(first_s, max_s)
        self._max_s = max_s
        self._next_s = self._first_s

    def next(self) -> float:
        """Return how many seconds to wait before the next try of this row."""
        wait_s, self._next_s = self._next_s, min(2 * self._next_s, self._max_s)
        return wait_s * random.uniform(1 - self._JITTER, 1 + self._JITTER)  # noqa: S311 -- no secret

    def at_most(self) -> float:
        """Return the longest wait, from now on: for what time alone will not mend."""
        self._next_s = self._max_s
        return self.next()

    def reset(self) -> None:
        """Begin a new row: it worked."""
        self._next_s = self._first_s
