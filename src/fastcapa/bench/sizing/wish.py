"""What is asked of the plan."""

from dataclasses import dataclass

from fastcapa.bench.sizing.brokers import Terms
from fastcapa.bench.sizing.traffic import Traffic


@dataclass(frozen=True)
class Wish:
    """What the user asks for; `given` are the options that were typed, the others are assumptions of ours."""

    traffic: Traffic
    producer: str
    imbalance: float
    stall_s: float
    terms: Terms
    given: frozenset[str] = frozenset()

    def origin(self, option: str) -> str:
        """Return where the value of an option comes from."""
        return f"given, {option}" if option in self.given else f"assumed, {option}"
