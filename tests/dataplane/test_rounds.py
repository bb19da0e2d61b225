"""The pipeline opened, started, stopped and closed again and again in one process: nothing adds up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.engine_rounds import PARTITIONS, TOPIC

from fastcapa.kafka.embedded import EmbeddedBroker

# `make stress` asks for more.
ROUNDS = int(os.environ.get("STRESS_ROUNDS", "30"))
SECONDS_EACH = 10
# Of anonymous memory, what allocators keep more or less of, however many rounds there are.
NOISE_KIB = 8 << 10


@pytest.mark.timeout(120 + SECONDS_EACH * ROUNDS)
def test_rounds_leave_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
        "MALLOC_ARENA_MAX": "2",  # each thread's own would be noise
        "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=8",
    }
    with EmbeddedBroker(topics={TOPIC: PARTITIONS}) as broker:
        result = subprocess.run(
            [sys.executable, "-m", "support.engine_rounds", broker.bootstrap, str(ROUNDS), str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60 + SECONDS_EACH * ROUNDS,
        )
    assert result.returncode == 0, result.stderr
    made = json.loads(result.stdout)
    samples: list[dict[str, int]] = made["samples"]
    assert len(samples) == ROUNDS
    assert made["delivered"] > 0
    # The least of each half: a thread may be about to end, an allocator about to give back. What leaks, stays.
    halves = (samples[: ROUNDS // 2], samples[ROUNDS // 2 :])
    first, last = ({what: min(sample[what] for sample in half) for what in samples[0]} for half in halves)
    print(f"{ROUNDS} rounds, {made['delivered']} packets: {first} -> {last}")
    assert last["threads"] <= first["threads"]
    assert last["files"] <= first["files"]
    assert last["anonymous_kib"] - first["anonymous_kib"] < NOISE_KIB, samples
