"""The final report as a file."""

import json
import sys
from pathlib import Path

from fastcapa.errors import RunTimeError
from fastcapa.stats import Report


def write_report(report: Report, target: str) -> None:
    """Write the report as JSON to a file, or to standard output for "-"; raise RunTimeError if that fails."""
    text = json.dumps(report, indent=1) + "\n"
    try:
        if target == "-":
            sys.stdout.write(text)
            sys.stdout.flush()
        else:
            Path(target).write_text(text)
    except OSError as error:
        raise RunTimeError(f"cannot write the report to {target}: {error.strerror}") from None
