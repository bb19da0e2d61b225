"""Twenty filters of pcap-filter(7): each source type passes exactly the frames that `tcpdump -r` passes."""

import shutil
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from support import probe
from support.capture_files import Frame, read_capture, write_pcap
from support.frames import ARP, QINQ, TCP, UDP, VLAN, ethernet, ip, zoo
from support.live import Live, wait_until
from support.message_headers import headers_of
from support.mock_reader import read_all
from support.need import need
from support.netns import namespace

from fastcapa.kafka.embedded import EmbeddedBroker

FILTERS = [
    "host 10.0.0.9",
    "src net 192.0.2.0/24",
    "dst host fd00::2",
    "ether host 02:00:00:00:00:01",
    "ether broadcast",
    "ether multicast",
    "arp",
    "ip6",
    "tcp",
    "udp and not port 53",
    "port 53",
    "dst portrange 1990-2010",
    "src port 1000 and (tcp or ip6)",
    "less 60",
    "greater 1500",
    "tcp[tcpflags] & (tcp-push|tcp-ack) == (tcp-push|tcp-ack)",
    "ip[2:2] > 100 and ip[6:2] & 0x1fff = 0",
    "ether proto 0x88b5",
    "vlan 100",
    "vlan and vlan 200 and tcp",
]


def capture() -> list[bytes]:
    """Frames of every kind, each of them different; as short as a link has them and as long as its MTU."""
    made = [frame for _, frame in zoo() if 14 <= len(frame) <= 1514]
    made += [
        ip(UDP, b"query", source="10.0.0.9", ports=(4000, 53)),
        ip(TCP, b"answer", source="192.0.2.7", target="10.0.0.9", ports=(53, 4001)),
        ip(UDP, b"y" * 1472, target="192.0.2.8", ports=(1000, 2011)),
        ip(UDP, b"z", source="fd00::1", target="fd00::2", ports=(1000, 2003)),
        ip(TCP, b"v", vlans=((VLAN, 100),)),
        ip(UDP, b"w", vlans=((VLAN, 101),)),
        ip(TCP, b"q", vlans=((QINQ, 300), (VLAN, 200))),
        b"\xff" * 6 + ethernet(ARP, bytes(46))[6:],
        b"\x33\x33" + ip(UDP, b"multicast", source="fd00::1", target="ff02::1")[2:],
    ]
    assert len(set(made)) == len(made)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_pcap(tmp_path / "all.pcap", [Frame(10**18 + i, len(f), f) for i, f in enumerate(capture())])
    return tmp_path / "all.pcap"


def expected(path: Path, words: str) -> Counter[bytes]:
    need(shutil.which("tcpdump"), "no tcpdump; apt-get install tcpdump")
    passed = path.with_name("passed.pcap")
    subprocess.run(
        ["tcpdump", "-Z", "root", "-r", str(path), "-w", str(passed), words], check=True, capture_output=True
    )
    frames = Counter(frame.data for frame in read_capture(passed))
    # A filter that passes nothing, or everything, would show little.
    assert 0 < frames.total() < len(capture()), words
    return frames


def passed(broker: str, topic: str) -> Counter[bytes]:
    return Counter(record.value for record in read_all(broker, topic))


def all_there(broker: str, topic: str, count: int) -> bool:
    return passed(broker, topic).total() >= count


@pytest.mark.parametrize("words", FILTERS)
def test_file(broker: str, path: Path, words: str) -> None:
    wanted = expected(path, words)
    report = probe.capture(broker, "t", "-r", str(path), words)
    assert report["rx"]["filtered"] == len(capture()) - wanted.total()
    assert passed(broker, "t") == wanted


@pytest.mark.parametrize("words", FILTERS)
def test_device(broker: str, path: Path, words: str) -> None:
    wanted = expected(path, words)
    device = f"net_pcap0,rx_pcap={path}"
    arguments = ("--device", device, "-c", str(wanted.total()), words)
    run = probe.fastcapa("capture", "-b", broker, "-t", "t", "--oversubscribe", "--report", "-", *arguments)
    assert run.status == 0, run.stderr
    probe.assert_identity(run.report)
    assert "the filter is compiled" in run.stderr
    assert passed(broker, "t") == wanted


@pytest.mark.parametrize("kind", ["interface", "tap"])
def test_live(path: Path, tmp_path: Path, kind: str) -> None:
    """All filters one after the other on the same link; the last frame of each round is the wanted end."""
    with namespace() as inside, inside.entered(), EmbeddedBroker() as embedded:
        for number, words in enumerate(FILTERS):
            wanted, topic = expected(path, words), f"t{number}"
            source = ("-i", inside.capture) if kind == "interface" else ("--device", "net_tap0,iface=tap9")
            live = Live.begin(embedded.bootstrap, topic, *source, words, directory=tmp_path, prefix=inside.prefix)
            if kind == "tap":
                inside.run("ip", "link", "set", "tap9", "up")
            inside.send(capture(), inside.generator if kind == "interface" else "tap9")
            wait_until(partial(all_there, embedded.bootstrap, topic, wanted.total()), 20)
            report = live.stop()
            assert passed(embedded.bootstrap, topic) == wanted, words
            if kind == "tap":
                assert report["source"]["in"] == len(capture())
                assert report["rx"]["filtered"] == len(capture()) - wanted.total()


def test_tagged_frames_are_filtered_whole_and_cut_afterwards(tmp_path: Path) -> None:
    """An interface: the kernel filters frames without a tag, the rx worker the others, before `snaplen` cuts them."""
    tagged = [ip(UDP, b"end?" * 100 + bytes([i]), vlans=((VLAN, 100),)) for i in range(20)]
    plain = [ip(UDP, b"none" * 100 + bytes([i])) for i in range(20)]
    words = f"vlan and ether[{len(tagged[0]) - 1}] < 5"
    with namespace() as inside, inside.entered(), EmbeddedBroker() as embedded:
        arguments = ("-i", inside.capture, "--headers", "-s", "60", words)
        live = Live.begin(embedded.bootstrap, "t", *arguments, directory=tmp_path, prefix=inside.prefix)
        inside.send([frame for pair in zip(tagged, plain, strict=True) for frame in pair], inside.generator)
        wait_until(partial(all_there, embedded.bootstrap, "t", 5), 20)
        report = live.stop()
        records = read_all(embedded.bootstrap, "t")
    assert [record.value for record in records] == [frame[:60] for frame in tagged[:5]]
    assert {headers_of(record).length for record in records} == {len(tagged[0])}
    assert (report["source"]["in"], report["rx"]["filtered"], report["rx"]["truncated"]) == (20, 15, 5)
