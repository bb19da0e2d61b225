"""The project's Markdown as a reader sees it: links, anchors, commands and the output shown beside them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

ROOT = Path(__file__).parents[2]
# A piece of a generated page, whose links are those of the page.
FRAGMENTS = {ROOT / "tools/generate/configuration-head.md"}
_HTML_LINK = re.compile(r"""(?:href|src|id|name)\s*=\s*["']([^"']*)["']""")
_HTML_ANCHOR = re.compile(r"""(?:id|name)\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True)
class Block:
    """A block of code: `language` is what the fence says, "" for an indented one."""

    file: Path
    line: int
    language: str
    text: str


def files() -> list[Path]:
    """All Markdown that is or may be committed; of an unpacked archive, all there is."""
    if not (ROOT / ".git").exists():
        found = set(ROOT.rglob("*.md"))
        return sorted(file for file in found - FRAGMENTS if not {".venv", "build"} & set(file.relative_to(ROOT).parts))
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(ROOT / name for name in names if name and ROOT / name not in FRAGMENTS and (ROOT / name).exists())


def _tokens(file: Path) -> Iterator[Token]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    # The anchors that forges give to headings.
    for token in parser.use(anchors_plugin, max_level=6).parse(file.read_text()):
        yield token
        yield from token.children or ()


def links(file: Path) -> Iterator[str]:
    """The target of each link and picture."""
    for token in _tokens(file):
        for name in ("href", "src"):
            if token.type in ("link_open", "image") and (target := token.attrGet(name)) is not None:
                yield str(target)
        if token.type in ("html_inline", "html_block"):
            yield from _HTML_LINK.findall(token.content)


def anchors(file: Path) -> set[str]:
    """What may stand behind # in a link to this file."""
    found = set()
    for token in _tokens(file):
        if token.type == "heading_open":
            found.add(str(token.attrGet("id")))
        elif token.type in ("html_inline", "html_block"):
            found.update(_HTML_ANCHOR.findall(token.content))
    return found


def blocks(file: Path) -> Iterator[Block]:
    """All code, in the order of the file."""
    for token in _tokens(file):
        if token.type in ("fence", "code_block"):
            yield Block(file, (token.map or [0])[0] + 1, token.info.strip(), token.content)
