"""Batches that wait on the disk while Kafka is away: order, what a run leaves for the next one, disks that fail."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import numbered
from support.capture_files import Frame, write_pcap
from support.direct_runs import QUICK, assert_all_delivered, frames, missing_of, run
from support.frames import udp_of_size
from support.live import Live, wait_until
from support.need import need
from support.partition_log import Batch
from support.probe import fastcapa, property_words
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker, Verdict

FRAMES = 12_000
# Of 2000 bytes; batches of 16 KiB, and memory for a tenth of the frames.
MEMORY = ("--buffer-memory", "2")
MIB = 1 << 20


class Away(Script):
    """Resets every connection instead of writing, from one request on until the test says otherwise."""

    def __init__(self, number: int = 20) -> None:
        self.number = number
        self.back = threading.Event()
        self._resets = False

    def verdict(self, broker: ScriptedBroker, batch: Batch) -> Verdict | None:
        self._resets = broker.requests[-1].number >= self.number and not self.back.is_set()
        return Verdict(0, written=False) if self._resets else None

    def reply(self, request: Produce, response: bytes) -> Reply:
        return Reply(b"", "reset") if self._resets else Reply(response)


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered.write(tmp_path_factory.mktemp("frames") / "long.pcap", FRAMES, 2000)


@pytest.fixture
def spill(tmp_path: Path) -> Path:
    """A directory that the probe makes."""
    return tmp_path / "spill"


def segments(spill: Path) -> list[Path]:
    return sorted(spill.glob("*.spill"))


def on_disk(spill: Path) -> int:
    """Bytes in segments."""
    total = 0
    for path in segments(spill):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


@contextmanager
def back_when(script: Away, condition: object) -> Iterator[None]:
    """Inside, a run; the broker is back once the condition holds."""
    assert callable(condition)

    def wait() -> None:
        wait_until(condition)
        script.back.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    yield
    waiter.join()
    assert script.back.is_set()


def leave(broker: ScriptedBroker, path: Path, spill: Path) -> int:
    """Capture all of a file while the broker is away; how many packets are left on the disk."""
    made = run(broker, path, "--spill", str(spill), *MEMORY, "--drain-timeout", "0.5")
    left = made.report["kafka"]["spilled"]
    assert (made.status, made.failed) == (0, 0), made.lines
    assert made.delivered + left == made.report["kafka"]["in"] + made.report["kafka"]["recovered"]
    assert made.lines_with(f"{left} packets are left on the disk")
    assert left > 0
    return int(left)


# ---- an outage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        ("--spill-sync", "none"),
        ("--partition", "flow", "--headers", "-X", "compression.type=zstd"),
        ("--partition", "key", "--spill-sync", "batch", "-X", "batch.size=65536"),
        ("--tx-workers", "2"),
    ],
    ids=" ".join,
)
def test_an_outage_loses_nothing_and_the_order_holds(long_file: Path, spill: Path, options: tuple[str, ...]) -> None:
    script = Away()
    # zstd makes a hundredth of such frames.
    enough = 100_000 if "compression.type=zstd" in options else 10 * MIB
    with ScriptedBroker(script, partitions=3) as broker, back_when(script, lambda: on_disk(spill) > enough):
        made = run(broker, long_file, "--spill", str(spill), *MEMORY, *options)
    if "--tx-workers" in options:  # two workers have no order between them
        assert sorted(value for log in broker.values() for value in log) == sorted(frames(long_file))
    else:
        assert_all_delivered(broker, made, frames(long_file))
    assert made.report["spill"]["written"] == made.report["spill"]["replayed"] > 0
    assert (made.report["kafka"]["spilled"], made.report["spill"]["refusals"]) == (0, 0)
    assert {batch.epoch for log in broker.logs for batch in log.batches} == {0}, "nothing had to be numbered anew"
    assert segments(spill) == []


def test_packets_that_are_larger_than_a_batch(tmp_path: Path, spill: Path) -> None:
    """They have memory of their own, and little of it."""
    path = tmp_path / "mixed.pcap"
    sizes = [40_000 if number % 7 == 3 else 1000 for number in range(1400)]
    write_pcap(path, [Frame(10**18 + 1000 * n, size, udp_of_size(size, n)) for n, size in enumerate(sizes)])
    script = Away()
    with ScriptedBroker(script, partitions=2) as broker, back_when(script, lambda: on_disk(spill) > 4 * MIB):
        made = run(broker, path, "--spill", str(spill), *MEMORY)
    assert_all_delivered(broker, made, frames(path))
    assert made.report["spill"]["replayed"] > 0


def test_nothing_is_written_as_long_as_memory_is_enough(long_file: Path, spill: Path) -> None:
    with ScriptedBroker() as broker:
        made = run(broker, long_file, "--spill", str(spill), "-c", "500")
    assert_all_delivered(broker, made, frames(long_file)[:500])
    assert made.report["spill"] == {"written": 0, "replayed": 0, "refusals": 0}
    assert [path.name for path in spill.iterdir()] == ["lock"]
    assert (spill.stat().st_mode & 0o777, (spill / "lock").stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_is_too_old_for_memory_is_not_for_the_disk(long_file: Path, spill: Path) -> None:
    script = Away()
    with ScriptedBroker(script) as broker:
        timer = threading.Timer(2.5, script.back.set)
        timer.start()
        made = run(broker, long_file, "--spill", str(spill), *MEMORY, message_timeout_ms="800")
        timer.join()
    assert_all_delivered(broker, made, frames(long_file))


# ---- the next run ---------------------------------------------------------------------------------------------------


def test_the_next_run_delivers_what_was_left_in_order(tmp_path: Path, long_file: Path, spill: Path) -> None:
    script = Away()
    more, last = (numbered.write(tmp_path / f"{size}.pcap", 100, size) for size in (1900, 1800))
    with ScriptedBroker(script, partitions=3) as broker:
        left = leave(broker, long_file, spill)
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in segments(spill))
        # Once more nothing can be delivered, and what is new goes behind.
        script.number = 0
        assert leave(broker, more, spill) == left + 100
        script.back.set()
        # Another shape of memory, another codec.
        made = run(broker, last, "--spill", str(spill), compression_type="lz4", batch_size="100000")
    assert made.report["kafka"]["recovered"] == left + 100
    assert made.lines_with(f"--spill {spill}: {left + 100} packets of an earlier run go out first")
    assert made.delivered == left + 200
    assert missing_of(broker, frames(long_file) + frames(more) + frames(last)) == []
    assert segments(spill) == []


def test_a_probe_that_was_killed_leaves_whole_batches_and_says_what_is_torn(
    tmp_path: Path, long_file: Path, spill: Path
) -> None:
    with ScriptedBroker(Away(), partitions=2) as broker:
        options = property_words(QUICK)
        words = ("-r", str(long_file), "--producer", "direct", "--spill", str(spill), *MEMORY, *options)
        live = Live.begin(broker.bootstrap, broker.topic, *words, directory=tmp_path)
        wait_until(lambda: on_disk(spill) > 10 * MIB)
        os.kill(live.engine, signal.SIGKILL)
        assert live.ended().status == 1
        with segments(spill)[-1].open("ab") as segment:  # as if it had been in the middle of the next batch
            segment.write(b"FCSB" + bytes(1000))
        before = {value for log in broker.values() for value in log}
        assert isinstance(broker.script, Away)
        broker.script.back.set()
        made = run(broker, long_file, "--spill", str(spill), "-c", "1")
    assert made.lines_with("bytes of batches that were not written to their end are dropped")
    recovered = made.report["kafka"]["recovered"]
    assert recovered >= 10 * MIB // 2100
    assert made.delivered == recovered + 1
    place = {frame: index for index, frame in enumerate(frames(long_file))}
    there = [place[value] for log in broker.values() for value in log]
    assert len(there) == len(before) + recovered + 1
    counts = Counter(there)
    assert {index for index, count in counts.items() if count > 1} <= {0}  # which the second run has read again
    # What was in memory is gone, and no more of what stands before what was on the disk.
    assert max(there) - len(counts) < 2 * MIB // 2000


def test_what_another_topic_has_left_is_refused(long_file: Path, spill: Path) -> None:
    with ScriptedBroker(Away(), partitions=3) as broker:
        leave(broker, long_file, spill)
    before = {path.name: path.stat().st_size for path in segments(spill)}
    for topic, partitions, words in (
        ("other", 3, "has packets for topic t; deliver them with -t t, or give another directory"),
        ("t", 1, "topic t has 1 partitions; add some, or give another directory"),
    ):
        with ScriptedBroker(topic=topic, partitions=partitions) as broker:
            where = ("-b", broker.bootstrap, "-t", topic, "-r", str(long_file), "--oversubscribe")
            ended = fastcapa("capture", *where, "--spill", str(spill))
        assert ended.status == 2
        assert words in ended.stderr
        assert {path.name: path.stat().st_size for path in segments(spill)} == before


# ---- limits and disks that fail -------------------------------------------------------------------------------------


def test_it_never_takes_more_than_it_may(long_file: Path, spill: Path) -> None:
    script = Away()
    most = 0

    def is_full() -> bool:
        nonlocal most
        most = max(most, on_disk(spill))
        return most > 15 * MIB

    with ScriptedBroker(script, partitions=2) as broker, back_when(script, is_full):
        made = run(broker, long_file, "--spill", str(spill), "--spill-max", "16M", *MEMORY)
    assert_all_delivered(broker, made, frames(long_file))  # a file waits
    assert most <= 16 * MIB
    assert made.report["spill"]["refusals"] > 0
    assert len(made.lines_with(f"--spill {spill}: full, with the 16 MiB of --spill-max")) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    need(os.geteuid() == 0 and shutil.which("mount"), "mounting needs root")
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(path)], capture_output=True, text=True, check=False
    )
    need(mounted.returncode == 0, f"cannot mount: {mounted.stderr}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_disk_that_is_full_is_said_and_the_probe_goes_on(long_file: Path, small_disk: Path) -> None:
    script = Away()
    spill = small_disk / "spill"
    with ScriptedBroker(script) as broker, back_when(script, lambda: on_disk(spill) > 5 * MIB):
        made = run(broker, long_file, "--spill", str(spill), *MEMORY)
    assert_all_delivered(broker, made, frames(long_file))
    assert made.lines_with(f"--spill {spill}: cannot be written to: No space left on device")
    assert made.report["spill"]["written"] > 0
    assert made.report["spill"]["refusals"] > 0


def test_a_directory_that_is_removed_is_said_and_its_packets_are_counted(long_file: Path, spill: Path) -> None:
    script = Away()

    def removed() -> bool:
        if on_disk(spill) < 8 * MIB:
            return False
        shutil.rmtree(spill)
        time.sleep(0.2)
        return True

    with ScriptedBroker(script) as broker, back_when(script, removed):
        made = run(broker, long_file, "--spill", str(spill), *MEMORY)
    assert made.lines_with(f"--spill {spill}: cannot be written to: No such file or directory")
    assert made.failed == len(missing_of(broker, frames(long_file)))
    assert made.delivered + made.failed == FRAMES
    assert made.status == (1 if made.failed else 0)


# ---- refused before anything starts ---------------------------------------------------------------------------------


def test_two_probes_do_not_share_a_directory(tmp_path: Path, long_file: Path, spill: Path) -> None:
    with ScriptedBroker(Away()) as broker:
        where = ("-r", str(long_file), "--producer", "direct", "--spill", str(spill), *MEMORY)
        live = Live.begin(broker.bootstrap, broker.topic, *where, directory=tmp_path)
        try:
            second = fastcapa("capture", "-b", broker.bootstrap, "-t", "t", "--oversubscribe", *where)
        finally:
            live.process.kill()
            live.process.communicate()
    assert second.status == 2
    assert f"--spill {spill}: another probe uses it; give each a directory of its own" in second.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--producer", "librdkafka"), "--spill: works with the direct producer only"),
        (("-X", "acks=1", "-X", "enable.idempotence=false"), "librdkafka is taken (Kafka property 'acks'"),
        (("--spill-max", "1M"), "--spill-max 1M: at least 16M is needed"),
        (("--spill-max", "lots"), "--spill-max lots: a size is needed, such as 512M or 10G"),
        (("--spill", "/nowhere/at/all"), "--spill /nowhere/at/all: there is no directory /nowhere/at"),
        (("--spill", "/dev/null"), "--spill /dev/null: is no directory"),
    ],
)
def test_what_cannot_be_is_refused(long_file: Path, spill: Path, words: tuple[str, ...], expected: str) -> None:
    ended = fastcapa("capture", "-b", "127.0.0.1:1", "-t", "t", "-r", str(long_file), "--spill", str(spill), *words)
    assert ended.status == 2
    assert expected in ended.stderr
    assert not spill.exists()
