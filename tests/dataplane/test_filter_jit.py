"""Filters compiled by DPDK's BPF library say the same of every packet as libpcap's interpreter."""

import subprocess
from pathlib import Path

import pytest
from support.c_programs import build
from support.capture_files import Frame, write_pcap
from support.frames import TCP, UDP, VLAN, ip, zoo

NEEDS = ["rx/filter.c", "rx/filter_jit.c", "rx/filter_mend.c", "packet.c", "error.c"]
LIBRARIES = ["-DALLOW_EXPERIMENTAL_API", "-O2", "pkg-config:libdpdk", "pkg-config:libpcap"]
CHECK = Path(__file__).parents[1] / "support" / "filter_jit_check.c"
COMPILED = [
    "udp port 53",
    "port 53 or port 80 or portrange 1000-1003",
    "host 10.0.0.1 or host fd00::1",
    "net 10.0.0.0/24 and not dst port 2000",
    "not (tcp or arp)",
    "tcp[tcpflags] & (tcp-syn|tcp-push) != 0",
    "tcp[13] = 24",
    "udp[8:4] > 5",
    "udp[4:2] & 1 = 1",
    "ether multicast",
    "ether[0] & 1 = 0 and ip[16] < 224",
    "vlan and udp",
    "vlan 100 and vlan 200",
    "less 60",
    "greater 1000",
    "len - 14 > ip[2:2]",
    "-ip[8] = 0xffffffc0",
    "ip[8] / ip[9] = 3",
    "ip[2:2] * 3 / 2 % 7 = 1",
    "ip[2:4] >> 7 & 3 = 1",
    "ip[2:2] << 3 > 400",
    "ip[2:2] ^ 46 = 0",
    "ip[12:4] & 0xff000000 = 0x0a000000",
    "ip[4:4] < 0x80000000",
    "ip6[0] & 0xf0 = 0x60",
    "ip[6:2] & 0x1fff = 0 and ip[6] & 0x20 = 0",
]
INTERPRETED = {
    "tcp[tcp[12] >> 2] = 0x6f": "the packet itself names",
    " or ".join(f"host 10.0.0.{n} or host fd00::{n}" for n in range(1, 9)): "too many paths",
}


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The program, and a capture of every kind of frame."""
    directory = tmp_path_factory.mktemp("jit")
    more = [
        ip(UDP, b"x" * 18, ports=(1003, 53)),
        ip(TCP, b"GET / HTTP/1.1", ports=(1000, 80)),
        ip(TCP, b"", source="192.168.7.9", vlans=((VLAN, 100), (VLAN, 200))),
        ip(UDP, b"abc", source="fd00::9", target="fd00::2", ports=(5, 53)),
        bytes.fromhex("ffffffffffff") + ip(UDP, b"x" * 18)[6:],
    ]
    write_pcap(directory / "in.pcap", [Frame(0, len(f), f) for f in (*(f for _, f in zoo()), *more)])
    build(directory / "check", [CHECK], NEEDS + LIBRARIES, sanitizers=[])
    return directory / "check", directory / "in.pcap"


def run(check: tuple[Path, Path], *expressions: str) -> tuple[list[list[str]], str]:
    result = subprocess.run([*check, "1500", *expressions], capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return [line.split(maxsplit=5) for line in result.stdout.splitlines()], result.stderr


def test_the_same_answer_for_every_packet(check: tuple[Path, Path]) -> None:
    rows, _ = run(check, *COMPILED)
    assert [row[5] for row in rows] == COMPILED
    for how, matched, unmatched, _, _, expression in rows:
        assert how == "compiled", expression
        assert int(matched) > 0, expression
        assert int(unmatched) > 0, expression


def test_what_must_not_be_compiled_is_interpreted(check: tuple[Path, Path]) -> None:
    rows, said = run(check, *INTERPRETED)
    assert [row[0] for row in rows] == ["interpreted"] * len(INTERPRETED)
    assert len(said.splitlines()) == len(INTERPRETED)
    for words in INTERPRETED.values():
        assert words in said
