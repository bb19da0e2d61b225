"""What has to be right about --spill before anything starts."""

import os
from pathlib import Path

from fastcapa.config import CaptureConfig
from fastcapa.errors import UsageError


def check(config: CaptureConfig, producer: str, why: str) -> None:
    """Raise UsageError for a --spill that cannot work; `producer` is the chosen one, `why` the reason in brackets.

    What only shows when the directory is locked and read is the engine's to say.
    """
    if config.spill is None:
        return
    if producer != "direct":
        raise UsageError(
            f"--spill: works with the direct producer only, and librdkafka is taken{why}; leave out --spill, or what"
            " keeps the direct producer away"
        )
    path = Path(config.spill)
    try:
        present = path.exists()
        if present and not path.is_dir():
            raise UsageError(f"--spill {path}: is no directory; name one, or a new one")
        if not present and not path.parent.is_dir():
            raise UsageError(f"--spill {path}: there is no directory {path.parent}; make it, or name another one")
    except OSError as error:
        raise UsageError(f"--spill {path}: {error.strerror}; name another directory") from None
    if not os.access(path if present else path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"--spill {path}: this user may not write there; change its owner, or name another directory")
