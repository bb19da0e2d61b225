"""The fuzz targets, for a short while; `make fuzz SECONDS=3600` for long."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.c_programs import build
from support.fuzz_seeds import write_seeds
from support.need import need

TARGETS = Path(__file__).parent
SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))
DPDK = ["packet.c", "error.c", "pkg-config:libdpdk", "pkg-config:libpcap", "-DALLOW_EXPERIMENTAL_API"]
BATCHES = ["producer/record_batch.c", "producer/compression.c", "error.c", "-lisal", "-llz4", "-lzstd"]
# What parses bytes that somebody else has made, and what it needs.
UNITS = {
    "capture_file": ["source/file.c", "flow/flow_hash.c", "events.c", *DPDK],
    "connection": ["producer/connection.c", "producer/produce.c", "error.c"],
    "filter": ["rx/filter.c", "rx/filter_jit.c", "rx/filter_mend.c", *DPDK],
    "flow_hash": ["flow/flow_hash.c"],
    "library_stats": ["producer/library_stats.c"],
    "produce_response": ["producer/produce.c"],
    "record_split": ["producer/record_split.c", *BATCHES],
}
SANITIZERS = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("target", sorted(UNITS))
def test_target(target: str, tmp_path: Path) -> None:
    need(shutil.which("clang"), "no clang; apt-get install clang libclang-rt-dev")
    program, found, seeds = tmp_path / "fuzz", tmp_path / "found", tmp_path / "seeds"
    found.mkdir()
    seeds.mkdir()
    write_seeds(target, seeds, TARGETS / "corpus" / "produce_response")
    kept, words = TARGETS / "corpus" / target, TARGETS / f"{target}.dict"
    corpora = [path for path in (seeds, kept) if path.is_dir() and any(path.iterdir())]
    build(program, [TARGETS / f"{target}_fuzz.c"], UNITS[target], SANITIZERS, compiler="clang")
    command = [str(program), f"-max_total_time={SECONDS}", "-max_len=4096", f"-artifact_prefix={tmp_path}/"]
    command += [f"-dict={words}"] * words.exists()
    result = subprocess.run([*command, str(found), *map(str, corpora)], capture_output=True, text=True, check=False)
    print(result.stderr[-2000:])
    assert result.returncode == 0, f"inputs that broke it: {[str(path) for path in tmp_path.glob('*-*')]}"
    for corpus in corpora:  # it began with ours
        assert f"{len(list(corpus.iterdir()))} files found in {corpus}" in result.stderr
