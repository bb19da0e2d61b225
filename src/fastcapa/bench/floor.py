"""The floor under a packet (bench/floor.c), measured beside the probe."""

import os
import subprocess
from pathlib import Path

from fastcapa.errors import RunTimeError, UsageError

_TIMEOUT_S = 300


def check_program(program: Path) -> None:
    """Raise UsageError for a program that could not be run."""
    if not program.is_file() or not os.access(program, os.X_OK):
        raise UsageError(f"--floor {program}: no program there; `make bench` builds it")


def measure(program: Path, frame_bytes: int, packets: int) -> float:
    """Return the floor, ns of CPU per packet; raise RunTimeError if the program fails."""
    command = [str(program.absolute()), str(frame_bytes), str(packets)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
        if result.returncode == 0:
            return float(result.stdout)
        reason = result.stderr.strip() or f"exit code {result.returncode}"
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = " ".join(str(error).split())
    raise RunTimeError(f"--floor {program}: {reason}; it prints ns per packet (bench/floor.c)")
