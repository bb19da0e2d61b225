"""The C units that need no EAL: each x_test.c beside its x.c, built with sanitizers and run."""

import os
import subprocess
from pathlib import Path

import pytest

DATAPLANE = Path(__file__).parents[2] / "src" / "dataplane"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.parametrize("test", sorted(DATAPLANE.rglob("*_test.c")), ids=lambda path: path.stem)
def test_unit(test: Path, tmp_path: Path) -> None:
    unit = test.with_name(test.name.replace("_test.c", ".c"))
    program = tmp_path / test.stem
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *FLAGS, *SANITIZERS, str(test), str(unit), "-o", str(program)], check=True)
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
