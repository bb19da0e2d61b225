"""docs/tutorial.md, command by command as it stands, in a copy of this tree on a machine of its own.

Of its own are network, processes and the directory of network namespaces: port 9092, `tap0` and `lab` of the tutorial
are nobody else's, and nothing of it is left. The copy uses the environment that is built already.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.markdown import ROOT, blocks
from support.need import need

PAGE = ROOT / "docs/tutorial.md"
TIMEOUT_S = 200
# Before each command, so that a block's output is told from the next one's.
MARK = "--- block "
LONG_AGO = 1_000_000_000


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A clone as a new user has it, with the environment of this one: older than that, so that make builds nothing."""
    tree = tmp_path / "fastcapa"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if not (ROOT / name).is_file():  # deleted, and not yet committed
            continue
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
        os.utime(tree / name, (LONG_AGO, LONG_AGO))
    (tree / ".venv").symlink_to(ROOT / ".venv")
    return tree


def shape(text: str) -> str:
    """A text with its numbers and spaces made equal."""
    return re.sub(r"\s+", " ", re.sub(r"[0-9][0-9.,:]*", "#", text)).strip()


def test_the_tutorial_as_it_stands(copy: Path) -> None:
    need(os.geteuid() == 0, "no privilege to make network namespaces; run as root")
    for program in ("unshare", "ip", "java", "kcat", "tshark", "trafgen", "curl", "ping", "tcpdump"):
        need(shutil.which(program), f"no {program}; tools/packages tutorial")
    need((ROOT / ".venv/installed").exists(), "no built environment; make setup")
    script, expected = [], []
    for number, block in enumerate(blocks(PAGE)):
        if block.language == "sh":
            script += [f"echo '{MARK}{number}'", block.text]
        else:
            assert block.language == "text", f"{PAGE.name}:{block.line}: a block is sh or text"
            expected.append((block.line, block.text))
    assert len(script) > 20
    (copy / "tutorial.sh").write_text("\n".join(script))
    # unshare is its first process: when that ends, the kernel ends all others. /run/netns is an empty one.
    setup = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo up"
    inside = f"{setup} && cd {shlex.quote(str(copy))} && exec bash -eux tutorial.sh"
    result = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", inside],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    output = result.stdout
    assert result.returncode == 0, output[-6000:]
    there = shape(output)
    for line, text in expected:
        for words in filter(None, map(shape, text.splitlines())):
            assert words in there, f"{PAGE.name}:{line}: {words!r} is not in\n{output}"
