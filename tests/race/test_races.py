"""Hand-overs between threads under the thread sanitizer, as far as they need no EAL: mailboxes, events, counters, and
rx workers, rings, tx workers and direct producers against a broker."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.c_programs import build
from support.need import need
from support.scripted_broker import ScriptedBroker

HERE = Path(__file__).parent
SANITIZER = ["-fsanitize=thread"]
FRAMES, PARTITIONS = 20_000, 3

# What each program needs of the data plane.
NEEDS = {
    "mailbox": ["producer/mailbox.c", "error.c"],
    "events": ["events.c"],
    "counters": [],
    "workers": [
        *("clock_steps.c", "error.c", "events.c", "packet.c", "flow/flow_hash.c", "rx/rx_worker.c", "tx/tx_worker.c"),
        *(f"rx/{name}.c" for name in ("filter", "filter_jit", "filter_mend", "rules")),
        *(f"producer/{name}.c" for name in ("accumulate", "answer", "batch", "compression", "connection", "deliver")),
        *(f"producer/{name}.c" for name in ("direct", "mailbox", "murmur2", "partition", "partitioner", "produce")),
        *(f"producer/{name}.c" for name in ("produce_error", "record_batch", "record_split", "route", "spill")),
        *(f"producer/spill_{name}.c" for name in ("directory", "files", "format", "thread")),
        *(f"producer/{name}.c" for name in ("sticky", "tls", "topic", "transport")),
        # Atomic accesses of a ring's indices instead of volatile ones: those the sanitizer understands.
        *("-DRTE_USE_C11_MEM_MODEL", "-DALLOW_EXPERIMENTAL_API", "-Wno-tsan", "-Wno-unused-function"),
        *("pkg-config:libdpdk", "-lpcap", "-lisal", "-llz4", "-lzstd", "-lssl", "-lcrypto"),
    ],
}


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What to put before a program: without random addresses, for the sanitizer knows where memory may be."""
    need(shutil.which("setarch"), "no setarch; apt-get install util-linux")
    prefix = ["setarch", "-R"]
    program = tmp_path_factory.mktemp("tsan") / "probe"
    source = program.with_suffix(".c")
    source.write_text("int main(void) { return 0; }\n")
    try:
        build(program, [source], [], SANITIZER)
    except subprocess.CalledProcessError:
        need(False, "this compiler has no thread sanitizer; apt-get install gcc")
    ran = subprocess.run([*prefix, program], capture_output=True, text=True, check=False)
    need(ran.returncode == 0, f"the thread sanitizer does not run here: {ran.stderr.strip()}")
    return prefix


def run(prefix: list[str], program: Path, *arguments: str, suppressions: str = "") -> str:
    options = "halt_on_error=1" + (f":suppressions={HERE / suppressions}" if suppressions else "")
    environment = os.environ | {"TSAN_OPTIONS": options}
    environment.pop("LD_PRELOAD", None)
    result = subprocess.run(
        [*prefix, program, *arguments], capture_output=True, text=True, check=False, timeout=200, env=environment
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_race_is_found(sanitized: list[str], tmp_path: Path) -> None:
    source = tmp_path / "race.c"
    source.write_text(
        "#include <pthread.h>\nstatic int x;\nstatic void *f(void *a) { x++; return a; }\n"
        "int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); x++; pthread_join(t, 0); return 0; }\n"
    )
    build(tmp_path / "race", [source], [], SANITIZER)
    with pytest.raises(AssertionError, match="data race"):
        run(sanitized, tmp_path / "race")


@pytest.mark.parametrize("name", ["mailbox", "events", "counters"])
def test_between_two_threads(sanitized: list[str], tmp_path: Path, name: str) -> None:
    build(tmp_path / name, [HERE / f"{name}.c"], NEEDS[name], SANITIZER)
    run(sanitized, tmp_path / name)


@pytest.fixture(scope="session")
def workers(sanitized: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("workers") / "workers"
    build(program, [HERE / "workers.c"], NEEDS["workers"], SANITIZER)
    return program


@pytest.mark.parametrize("tx_workers", [1, 2])
@pytest.mark.parametrize("ending", ["end", "drain", "abandon"])
def test_workers(sanitized: list[str], workers: Path, ending: str, tx_workers: int) -> None:
    suppressions = "suppressions" if tx_workers == 1 else "suppressions_shared_ring"
    with ScriptedBroker(partitions=PARTITIONS) as broker:
        port = broker.bootstrap.rpartition(":")[2]
        delivered = int(run(sanitized, workers, port, ending, str(tx_workers), suppressions=suppressions))
        arrived = [int.from_bytes(value[:4]) for values in broker.values() for value in values]
    assert len(arrived) == len(set(arrived))
    if ending == "end":
        assert sorted(arrived) == list(range(FRAMES))
    else:
        assert FRAMES / 8 < delivered < FRAMES, "not in the middle: the test shows nothing"
    assert delivered <= len(arrived)
    assert ending == "abandon" or delivered == len(arrived)
