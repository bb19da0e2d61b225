"""Capture files as they may come: cut, with bytes changed, lost or repeated. The same for the same seed."""

from __future__ import annotations

import random

_HEADER_BYTES = 40  # of a file and of its first record
_EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65_535, 262_144, 262_145)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A copy with one to four changes; the beginning is changed seldom, so that most still have a first frame."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        lowest = 0 if chance.random() < 0.1 else min(_HEADER_BYTES, len(changed))
        at = chance.randint(lowest, len(changed))
        match chance.randrange(6):
            case 0:
                del changed[at:]
            case 1:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                changed[at : at + 4] = chance.choice(_EXTREMES).to_bytes(4, chance.choice(("little", "big")))
            case 3:
                del changed[at : at + chance.randint(1, 64)]
            case 4:
                changed[at:at] = chance.randbytes(chance.randint(1, 64))
            case 5:
                changed[at:at] = changed[: chance.randint(0, len(changed))]
    return bytes(changed)
