"""Man pages from the parsers of the command line."""

from __future__ import annotations

import argparse
import re

from argparse_manpage.manpage import Manpage

from fastcapa import __version__


def page(parser: argparse.ArgumentParser, summary: str, see_also: list[str]) -> str:
    """Return a page of section 1 in man(7)'s words."""
    name = parser.prog.replace(" ", "-")
    data = {"prog": parser.prog, "description": summary, "project_name": "fastcapa", "version": __version__}
    text = str(Manpage(parser, data))
    text = re.sub(r"^\.TH .*", f'.TH {_escaped(name.upper())} 1 "" "fastcapa {__version__}" "User Commands"', text)
    text = re.sub(r"^fastcapa \S+ \\- ", f"{_escaped(name)} \\\\- ", text, flags=re.MULTILINE)
    text = _grouped(text)
    # The epilog: examples as they stand, then words.
    text = re.sub(
        r"^\.SH COMMENTS\nexamples:\n(.*?)\n\n", r".SH EXAMPLES\n.nf\n\1\n.fi\n.SH NOTES\n", text, flags=re.M | re.S
    )
    pages = ", ".join(f"\\fB{_escaped(page)}\\fR(1)" for page in see_also if page != name)
    return f"{text.split('.SH DISTRIBUTION')[0].rstrip()}\n.SH SEE ALSO\n{pages}\n"


def _grouped(text: str) -> str:
    """Make argparse's groups of options parts of one section, as readers of man pages expect."""
    known = ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMENTS", "OPTIONS", "AUTHOR", "DISTRIBUTION")
    first = True
    lines = []
    for line in text.splitlines():
        title = line.removeprefix(".SH ")
        if title == line or title in known:
            first = first and title != "OPTIONS"
            lines.append(line)
            continue
        lines += [".SH OPTIONS"] if first else []
        lines.append(f".SS {title.capitalize()}")
        first = False
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("-", "\\-")
