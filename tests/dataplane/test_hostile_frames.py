"""Traffic and capture files made to break a probe: every frame through every kind of source and filter, as it is."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, read_capture, write_pcap, write_pcapng
from support.frames import zoo
from support.live import Live, wait_until
from support.message_headers import by_queue
from support.mock_reader import read_all
from support.mutations import mutated
from support.need import need
from support.netns import namespace
from support.shared_captures import manifest

from fastcapa._pcap import CaptureFileError, CaptureReader
from fastcapa.capture import Capture
from fastcapa.config import SourceKind, validate
from fastcapa.errors import FastcapaError
from fastcapa.kafka.embedded import EmbeddedBroker

# Of mutated files, some dozens in each; each with other mutations.
ROUNDS = int(os.environ.get("HOSTILE_ROUNDS", "2"))
FILES_PER_ROUND = 32
MTU = 65_521
# They look far into the frame, at places that it names itself, or at what may not be there.
FILTERS = [
    "tcp[tcp[12] >> 2] > 0x40 or udp[8:4] != 0",
    "ip6 protochain 6 or ip6[6] = 44",
    "len > ip[2:2] + 14 and not port 53",
]


@pytest.fixture(scope="module")
def corpus() -> list[Path]:
    """The captures that the machine has, the smallest and the oddest among them."""
    return [expected.path for expected in manifest()]


@pytest.fixture(scope="module")
def everything(corpus: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """One file with all their frames and one of each shape, and the frames."""
    frames = [frame for _, frame in zoo()]
    for path in corpus:
        frames += map(data_of, readable(path))
    path = tmp_path_factory.mktemp("hostile") / "everything.pcap"
    write_pcap(path, [Frame(10**18 + n, len(frame), frame) for n, frame in enumerate(frames)])
    return path, frames


def data_of(frame: tuple[int, int, bytes]) -> bytes:
    return frame[2]


def readable(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """What libpcap reads of a file, up to where it is broken."""
    with CaptureReader(path) as reader:
        try:
            yield from reader
        except CaptureFileError:
            return


def chosen(path: Path, words: str) -> list[bytes]:
    """The frames that tcpdump passes."""
    need(shutil.which("tcpdump"), "no tcpdump; apt-get install tcpdump")
    passed = path.with_name("passed.pcap")
    subprocess.run(
        ["tcpdump", "-Z", "root", "-r", str(path), "-w", str(passed), words], check=True, capture_output=True
    )
    return [frame.data for frame in read_capture(passed)]


def kept_by_net_pcap(length: int) -> int:
    """How much of a frame comes out of net_pcap, which has 16 bits for what is left behind the first packet buffer."""
    first = min(length, 2048)
    return first + (length - first) % 0x10000


def assert_there(bootstrap: str, wanted: list[bytes]) -> None:
    """The topic holds these very frames in this order. Says which one is not, but not all of them."""
    found = [record.value for record in read_all(bootstrap, "t")]
    assert len(found) == len(wanted)
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        assert one == other, f"frame {number}"


@pytest.mark.parametrize("words", ["", *FILTERS])
@pytest.mark.parametrize("kind", ["file", "device"])
def test_every_frame_through_files_and_devices(everything: tuple[Path, list[bytes]], kind: str, words: str) -> None:
    path, frames = everything
    wanted = chosen(path, words) if words else frames
    assert 0 < len(wanted) <= len(frames)
    if kind == "device":
        wanted = [frame[: kept_by_net_pcap(len(frame))] for frame in wanted]
    source = ("-r", str(path)) if kind == "file" else ("--device", f"net_pcap0,rx_pcap={path}")
    with EmbeddedBroker(topics={"t": 1}) as broker:
        arguments = (*source, "-c", str(len(wanted)), "--tx-ring", "16384", "--partition", "flow", words)
        report = probe.capture(broker.bootstrap, "t", *arguments)
        assert report["rx"]["ring_full_drops"] == 0
        assert_there(broker.bootstrap, wanted)


def test_every_frame_through_an_interface(everything: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    # A packet socket takes no frame that is shorter than an Ethernet header, or longer than the MTU.
    frames = [frame for frame in everything[1] if 14 <= len(frame) <= MTU + 14]
    with namespace(mtu=MTU) as inside, inside.entered(), EmbeddedBroker(topics={"t": 1}) as broker:
        source = ("-i", inside.capture, "--tx-ring", "16384", "--rx-buffer-mb", "256")
        live = Live.begin(broker.bootstrap, "t", *source, directory=tmp_path, prefix=inside.prefix)
        inside.send(frames)
        wait_until(partial(enough, broker.bootstrap, len(frames)), 60)
        report = live.stop()
        assert report["kafka"]["delivered"] == len(frames)
        assert_there(broker.bootstrap, frames)


def enough(bootstrap: str, count: int) -> bool:
    return len(read_all(bootstrap, "t")) >= count


def refused(path: Path) -> bool:
    """Whether a capture refuses the file before it starts: with a message for it, or not at all."""
    named = [{"kind": SourceKind.FILE, "name": str(path)}]
    config = validate({"sources": named, "topic": "t", "properties": {"bootstrap.servers": "b"}, "oversubscribe": True})
    try:
        Capture(config, print).prepare()
    except FastcapaError as error:
        assert str(path) in str(error)
        return True
    return False


def originals(directory: Path) -> list[Path]:
    """Files of our own, for a machine that has no others."""
    frames = [Frame(10**18 + n, len(frame), frame) for n, (_, frame) in enumerate(zoo())]
    write_pcap(directory / "made.pcap", frames[:14])
    write_pcapng(directory / "made.pcapng", frames[:14])
    return [directory / "made.pcap", directory / "made.pcapng"]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_files_that_are_broken_anywhere(number: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What can be read of each is delivered, to the frame; the probe says what it could not read, and goes on."""
    chance = random.Random(number)  # noqa: S311 -- the same files every time
    whole = originals(tmp_path)
    if number % 2:
        whole = request.getfixturevalue("corpus")
    taken: list[Path] = []
    while len(taken) < FILES_PER_ROUND:
        path = tmp_path / f"{len(taken)}.broken"
        path.write_bytes(mutated(chance.choice(whole).read_bytes(), chance))
        if not refused(path):
            taken.append(path)
    sources = [word for path in taken for word in ("-r", str(path))]
    with EmbeddedBroker() as broker:
        options = ("-b", broker.bootstrap, "-t", "t", "--oversubscribe", "--report", "-", "--headers")
        small = ("--tx-ring", "256", "--buffer-memory", "8")
        run = probe.fastcapa("capture", *options, *small, *sources)
        probe.assert_identity(run.report)
        queues = by_queue(read_all(broker.bootstrap, "t"))
    broken = [path for path in taken if not ends_well(path)]
    assert run.status == (1 if broken else 0), run.stderr
    for path in broken:
        assert f"fastcapa: {path}: " in run.stderr
    for path in taken:
        arrived = [record.value for _, record in queues.get((str(path), 0), [])]
        assert arrived == list(map(data_of, readable(path))), path


def ends_well(path: Path) -> bool:
    with CaptureReader(path) as reader:
        try:
            for _ in reader:
                pass
        except CaptureFileError:
            return False
    return True
