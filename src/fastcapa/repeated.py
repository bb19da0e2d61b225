"""How often a line of the log was said before."""

from collections import OrderedDict

# Lines differ by broker, partition and time in them: a probe that runs for months must not keep them all.
LINES_MAX = 256


class RepeatedLines:
    """Counts lines, and forgets the one that was not said for the longest time when there are too many."""

    def __init__(self, lines_max: int = LINES_MAX) -> None:
        self._lines_max = lines_max
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, line: str) -> int:
        """Return how often the line was said, this time included; one that was forgotten begins at 1."""
        count = self._counts.pop(line, 0) + 1
        self._counts[line] = count
        if len(self._counts) > self._lines_max:
            self._counts.popitem(last=False)
        return count
