"""Shell commands that see other files than the machine has."""

from __future__ import annotations

import subprocess


def run(lines: list[str], path: str) -> str:
    """Run lines of a shell, with this PATH, in a mount namespace of their own: what they said. All have to succeed."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", "\n".join(["set -e", *lines])],
        env={"PATH": path, "LANG": "C.UTF-8", "HOME": "/nonexistent"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
