"""What this process shows of itself to others on the host: its command line, its first environment, its memory."""

import re
import resource

from fastcapa import _process


def cover_arguments(secret: re.Pattern[str]) -> None:
    """Show three asterisks in `ps` instead of the first group of each argument that the pattern is found in.

    Whoever looks between our start and this sees the argument. Raises OSError if the kernel does not let us.
    """
    _process.edit("cmdline", lambda area: _covered(area, secret))


def _covered(area: bytes, secret: re.Pattern[str]) -> bytes:
    pattern = re.compile(secret.pattern.encode(), secret.flags & ~re.UNICODE)
    words = area.split(b"\0")
    for number, word in enumerate(words):
        if found := pattern.search(word):
            begin, end = found.span(1)
            words[number] = word[:begin] + b"***"[: end - begin] + word[end:]
    # NUL to the end: the kernel takes another last byte for a sign that the arguments go on in the environment.
    return b"\0".join(words).ljust(len(area), b"\0")


def erase_variable(name: str) -> None:
    """Make zeros of a variable's value in the environment that we were started with, which /proc/PID/environ shows.

    Raises OSError if the kernel does not let us.
    """
    prefix = name.encode() + b"="

    def erased(area: bytes) -> bytes:
        words = area.split(b"\0")
        return b"\0".join(prefix.ljust(len(word), b"\0") if word.startswith(prefix) else word for word in words)

    _process.edit("environ", erased)


def forbid_dumps() -> None:
    """Leave no core dump, neither as a file nor with the host's collector; our memory is for root alone from now on.

    Children inherit the first part. The files in /proc/PID that show memory, environment and descriptors belong to root
    then; we ourselves can read our own all the same, except those of memory (`mem`, `pagemap`).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _process.forbid_dumps()
