"""The C units that need no EAL: each x_test.c beside its x.c, built with sanitizers and run."""

import subprocess
from pathlib import Path

import pytest
from support.c_programs import DATAPLANE, NEEDS, build


@pytest.mark.parametrize("test", sorted(DATAPLANE.rglob("*_test.c")), ids=lambda path: path.stem)
def test_unit(test: Path, tmp_path: Path) -> None:
    unit = test.with_name(test.name.replace("_test.c", ".c"))
    sources = [path for path in (test, unit) if path.exists()]  # a header has no x.c
    program = tmp_path / test.stem
    build(program, sources, NEEDS.get(unit.stem, []))
    result = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
