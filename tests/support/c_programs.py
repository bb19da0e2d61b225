"""Small C programs around single units of the data plane, built with sanitizers: no EAL, no Python."""

import os
import subprocess
from pathlib import Path

DATAPLANE = Path(__file__).parents[2] / "src" / "dataplane"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{DATAPLANE}"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# What a unit is linked with besides itself: other units, libraries.
NEEDS = {
    "compression": ["producer/record_batch.c", "error.c", "-lisal", "-llz4", "-lzstd"],
    "record_batch": ["-lisal"],
    "record_split": ["producer/record_batch.c", "producer/compression.c", "error.c", "-lisal", "-llz4", "-lzstd"],
}


def build(program: Path, sources: list[Path], needs: list[str], sanitizers: list[str] = SANITIZERS) -> None:
    """Compile `sources` and what `needs` names (files under the data plane, `-l` libraries) into `program`."""
    more = [need if need.startswith("-") else str(DATAPLANE / need) for need in needs]
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *FLAGS, *sanitizers, *map(str, sources), *more, "-o", str(program)], check=True)
