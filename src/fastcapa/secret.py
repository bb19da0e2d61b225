"""Secrets where they belong: in a file of their own, or in the environment, which forgets them.

What cannot be read a second time, a variable and what came through a pipe, is kept for the life of the process.
"""

import os
import re
import select
import stat
from pathlib import Path

from fastcapa.errors import UsageError
from fastcapa.host import process
from fastcapa.log import Level, log

BYTES_MAX = 1 << 16  # a key of 16,384 bits has a fifth of it in PEM
PIPE_S = 5.0
"""What writes into a pipe has so long to begin."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_variables: dict[str, str] = {}
_pipes: dict[str, str] = {}


def from_file(name: str, where: str) -> str:
    """Return what a file holds, without the newline at its end; `where` is what messages say before its name.

    A regular file, as systemd's credentials are, or a pipe. Raises UsageError.
    """
    where = f"{where} {name}"
    try:
        # Without O_NONBLOCK a named pipe that nobody writes into would keep us here.
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            kind = os.fstat(descriptor).st_mode
            if stat.S_ISFIFO(kind):
                return _from_pipe(descriptor, name, where)
            if not stat.S_ISREG(kind):
                raise UsageError(
                    f"{where}: is neither a regular file nor a pipe; name a file that holds only the secret"
                )
            return _text(_read(descriptor), where)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UsageError(
            f"{where}: cannot read it: {error.strerror}; name a file that holds only the secret, readable for this user"
        ) from None
    except ValueError:  # a NUL in the name
        raise UsageError(f"{where}: cannot be the name of a file; name one that holds only the secret") from None


def _from_pipe(descriptor: int, name: str, where: str) -> str:
    ready = select.select([descriptor], [], [], 0 if name in _pipes else PIPE_S)[0]
    os.set_blocking(descriptor, True)
    content = _read(descriptor) if ready else b""
    if not content and name in _pipes:
        return _pipes[name]  # read again, with nobody left who writes
    if not ready:
        raise UsageError(f"{where}: nothing came through this pipe within {PIPE_S:g} s; start what writes the secret")
    _pipes[name] = _text(content, where)
    return _pipes[name]


def _read(descriptor: int) -> bytes:
    content = b""
    while len(content) <= BYTES_MAX and (piece := os.read(descriptor, BYTES_MAX + 1 - len(content))):
        content += piece
    return content


def _text(content: bytes, where: str) -> str:
    if len(content) > BYTES_MAX:
        raise UsageError(f"{where}: holds more than {BYTES_MAX >> 10} KiB, which no secret does; name another file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{where}: is no text in UTF-8; write the secret there as text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(f"{where}: is empty; write the secret there")
    if "\0" in text:
        raise UsageError(f"{where}: holds a NUL character; write the secret there as text")
    return text


def read_by_others(name: str) -> bool:
    """Return whether every user of this host can read a file. Its group may: that is how a service gets to read it."""
    try:
        path = Path(name).resolve()
        mode = path.stat().st_mode
        reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH) and reachable


def take_variable(name: str) -> str | None:
    """Return the value that a variable had when the process began, None without it; from now on it is not there.

    Neither children nor /proc/PID/environ have it any more.
    """
    value = os.environ.pop(name, None)
    if value is None:
        return _variables.get(name)
    _variables[name] = value
    try:
        process.erase_variable(name)
    except OSError as error:
        log(f"{name} stays readable in /proc/{os.getpid()}/environ: {error}; give a file instead", Level.WARNING)
    return value


def from_environment(name: str, where: str) -> str:
    """Return the value of a variable, which it is taken out of; `where` is what messages say before its name.

    Raises UsageError.
    """
    where = f"{where} {name}"
    if not _VARIABLE.fullmatch(name):
        raise UsageError(
            f"{where}: is not the name of a variable: letters, digits and _; the secret itself is not given here"
        )
    value = take_variable(name)
    if value is None:
        raise UsageError(f"{where}: there is no such variable; set it for this process, or give a file")
    if not value:
        raise UsageError(f"{where}: this variable is empty; put the secret into it")
    return value
