"""The fuzz targets, for a short while; `make fuzz SECONDS=3600` for long."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.c_programs import DATAPLANE, FLAGS
from support.need import need

TARGETS = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "20"))
UNITS = {"produce_response": ["producer/produce.c"]}


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("target", sorted(UNITS))
def test_target(target: str, tmp_path: Path) -> None:
    need(shutil.which("clang"), "no clang; apt-get install clang libclang-rt-dev")
    program, found, corpus = tmp_path / "fuzz", tmp_path / "found", TARGETS / "corpus" / target
    found.mkdir()
    sources = [TARGETS / f"{target}_fuzz.c", *(DATAPLANE / unit for unit in UNITS[target])]
    sanitizers = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["clang", *FLAGS, *sanitizers, *map(str, sources), "-o", str(program)], check=True)
    command = [str(program), f"-max_total_time={SECONDS}", "-max_len=4096", f"-artifact_prefix={tmp_path}/"]
    result = subprocess.run([*command, str(found), str(corpus)], capture_output=True, text=True, check=False)
    print(result.stderr[-2000:])
    assert result.returncode == 0, f"inputs that broke it: {[str(path) for path in tmp_path.glob('*-*')]}"
    assert f"{len(list(corpus.iterdir()))} files found in {corpus}" in result.stderr  # it began with ours
