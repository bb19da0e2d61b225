"""The corpus of real captures, when the machine has it."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from support.need import need

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Expected:
    """One line of the corpus' manifest: what is in a file."""

    path: Path
    linktype: int
    frames: int
    bytes: int
    sha256: str
    error: str


def captures_directory() -> Path:
    """FASTCAPA_CAPTURES, or ../shared/captures beside the repository. Skips where there is none."""
    directory = Path(os.environ.get("FASTCAPA_CAPTURES") or REPOSITORY.parent / "shared" / "captures")
    need(directory.is_dir(), f"no captures in {directory}; FASTCAPA_CAPTURES names their directory")
    return directory


def manifest() -> list[Expected]:
    """The Ethernet captures, each with what it holds."""
    directory = captures_directory() / "tcpdump"
    with (directory / "manifest.tsv").open(newline="") as lines:
        return [
            Expected(
                directory / row["file"],
                int(row["linktype"]),
                int(row["frames"]),
                int(row["bytes"]),
                row["sha256"],
                row["error"],
            )
            for row in csv.DictReader(lines, delimiter="\t")
        ]


def digest(frames: Iterable[bytes]) -> str:
    """The manifest's SHA-256: over each frame's length, 4 bytes big-endian, and its bytes."""
    total = hashlib.sha256()
    for frame in frames:
        total.update(len(frame).to_bytes(4, "big") + frame)
    return total.hexdigest()
