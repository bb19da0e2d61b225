"""The documents: every link leads somewhere, every page is in the index, every command shown is one.

No request leaves this machine: links to other hosts are not looked at.
"""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from support.markdown import ROOT, Block, anchors, blocks, files, links

from fastcapa.cli.main import build_parser

FILES = files()
INDEX = ROOT / "docs/README.md"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Ends of a command within a line of shell.
_OPERATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "2>&1", "&)"}


def problem(file: Path, target: str) -> str | None:
    """What is wrong with a link, None for a good one."""
    if _SCHEME.match(target):
        return None
    path, _, anchor = target.partition("#")
    if path.startswith("/"):
        return "is absolute: nobody else has it there"
    there = (file.parent / unquote(path)).resolve() if path else file
    if not there.is_relative_to(ROOT):
        return "leads out of the repository"
    if not there.exists():
        return "leads nowhere"
    if anchor and there.suffix == ".md" and unquote(anchor) not in anchors(there):
        return f"{there.name} has no heading for #{anchor}"
    return None


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    found = [f"{target}: {what}" for target in links(file) if (what := problem(file, target)) is not None]
    assert not found


def test_broken_links_are_found(tmp_path: Path) -> None:
    (ROOT / "build").mkdir(exist_ok=True)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `code` heading, twice\n[a](#a-code-heading-twice) [b](#nothing) <a id='html'></a> ![c](no.png)\n"
    )
    assert list(links(page))[:2] == ["#a-code-heading-twice", "#nothing"]
    assert "no.png" in list(links(page))
    assert anchors(page) == {"a-code-heading-twice", "html"}
    readme = ROOT / "README.md"
    assert problem(readme, "docs/nowhere.md") == "leads nowhere"
    assert problem(readme, "../outside.md") == "leads out of the repository"
    assert problem(readme, "/etc/passwd") == "is absolute: nobody else has it there"
    assert problem(readme, "docs/monitoring.md#nothing") == "monitoring.md has no heading for #nothing"
    assert problem(readme, "docs/monitoring.md#losses") is None


def test_every_page_is_in_the_index() -> None:
    linked = {(INDEX.parent / target.partition("#")[0]).resolve() for target in links(INDEX)}
    pages = [file for file in FILES if file.parent == INDEX.parent and file != INDEX]
    assert not [str(page) for page in pages if page not in linked]
    assert INDEX in {(ROOT / target.partition("#")[0]).resolve() for target in links(ROOT / "README.md")}


def shell_lines(block: Block) -> Iterator[tuple[int, str]]:
    """The lines of a block with their numbers; what a backslash continues is one."""
    whole, start = "", 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        whole, start = whole + line.removesuffix("\\"), start or number
        if not line.endswith("\\"):
            yield start, whole.strip().removeprefix("$ ")
            whole, start = "", 0


def commands(line: str) -> Iterator[list[str]]:
    """The words of each command in a line that starts with `fastcapa` or `make`."""
    if not re.match(r"(sudo )?(\S*/)?(fastcapa|make) ", line):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.commenters, lexer.whitespace_split = "#", True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _OPERATORS:
            words.append(word)
            continue
        if words and words[0] == "sudo":
            words.pop(0)
        if words and Path(words[0]).name in ("fastcapa", "make"):
            yield [Path(words[0]).name, *words[1:]]
        words = []


def shown() -> list[tuple[str, list[str]]]:
    """Every such command in the documents, with its place; not forms, which have "[OPTION]" or "..." in them."""
    return [
        (f"{file.relative_to(ROOT)}:{number}", words)
        for file in FILES
        for block in blocks(file)
        if block.language != "text"
        for number, line in shell_lines(block)
        for words in commands(line)
        if not any(word in {"...", "…"} or word.startswith("[") for word in words)
    ]


def parser() -> ArgumentParser:
    return build_parser(None)


def test_every_command_that_is_shown_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    wrong, seen, ours = [], 0, parser()
    for place, (program, *words) in shown():
        if program != "fastcapa" or words == ["--version"]:
            continue
        seen += 1
        try:
            # Not run: a broker called `broker` is nowhere.
            ours.parse_args(words)
        except SystemExit as ended:
            if ended.code:
                wrong.append(f"{place}: fastcapa {shlex.join(words)}: {capsys.readouterr().err.strip()}")
    assert not wrong
    assert seen > 30, seen


def test_every_make_target_that_is_shown_is_there() -> None:
    targets = set(re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {word for line in targets for word in line.split()}
    wanted = {(place, word) for place, words in shown() if words[0] == "make" for word in words[1:] if "=" not in word}
    assert len(wanted) > 8
    assert not {(place, word) for place, word in wanted if word not in targets}
