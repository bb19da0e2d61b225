"""Small C programs around single units of the data plane, built with sanitizers: no EAL, no Python."""

import os
import subprocess
from pathlib import Path

DATAPLANE = Path(__file__).parents[2] / "src" / "dataplane"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{DATAPLANE}"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# What a unit is linked with besides itself: other units, libraries.
NEEDS = {
    "batch": ["producer/record_batch.c", "error.c", "pkg-config:libdpdk", "-lisal"],
    "compression": ["producer/record_batch.c", "error.c", "-lisal", "-llz4", "-lzstd"],
    "record_batch": ["-lisal"],
    "record_split": ["producer/record_batch.c", "producer/compression.c", "error.c", "-lisal", "-llz4", "-lzstd"],
    "spill_files": [
        *(f"producer/{name}.c" for name in ("spill_directory", "spill_format", "record_batch")),
        *("error.c", "-lisal"),
    ],
    "spill_format": ["-lisal"],
    "ticks": ["-lm"],
    "vlan": ["pkg-config:libdpdk"],
}


def build(
    program: Path,
    sources: list[Path],
    needs: list[str],
    sanitizers: list[str] = SANITIZERS,
    compiler: str = os.environ.get("CC", "cc"),
) -> None:
    """Compile `sources` and what `needs` names into `program`.

    That is files under the data plane, `-l` libraries, and `pkg-config:NAME`.
    """
    more = [word for need in needs for word in _words(need)]
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command = [compiler, *FLAGS, *sanitizers, *map(str, sources), *more, "-o", str(program)]
    subprocess.run(command, check=True, env=environment)


def _words(need: str) -> list[str]:
    if need.startswith("-"):
        return [need]
    if not need.startswith("pkg-config:"):
        return [str(DATAPLANE / need)]
    command = ["pkg-config", "--cflags", "--libs", need.removeprefix("pkg-config:")]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    # Warnings are errors in our sources, not in a library's headers.
    return [f"-isystem{word[2:]}" if word.startswith("-I") else word for word in words]
