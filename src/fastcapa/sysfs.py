"""Files of the kernel with a line or a number in them; None for what is not there or not for us."""

from pathlib import Path


def text(file: Path) -> str | None:
    """Return what is in the file, without the white space around it."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:  # an interface that is down answers EINVAL
        return None


def number(file: Path) -> int | None:
    """Return the decimal number in the file."""
    content = text(file)
    return int(content) if content is not None and content.lstrip("-").isdecimal() else None


def link(file: Path) -> str | None:
    """Return the last part of what a symbolic link points to."""
    try:
        return file.readlink().name
    except OSError:
        return None


def names(directory: Path) -> list[str]:
    """Return the names in a directory, sorted; none if it is not there."""
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []
