"""The generator sends exactly what it was told, each frame once and recognisable."""

from __future__ import annotations

import socket

from support.frames import zoo
from support.netns import COUNTER, Namespace, namespace


def _receive(inside: Namespace, count: int) -> socket.socket:
    with inside.entered():
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        packet.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        packet.bind((inside.capture, 0))
        packet.settimeout(2)
    return packet


def test_generated_frames_are_numbered(netns: Namespace) -> None:
    sizes = (64, 512, 1514)
    with _receive(netns, 1000) as packet:
        netns.generate(1000, sizes)
        frames = [packet.recv(65536) for _ in range(1000)]
    assert [int.from_bytes(frame[COUNTER], "big") for frame in frames] == list(range(1000))
    assert [len(frame) for frame in frames] == [sizes[i % 3] for i in range(1000)]
    assert len({frame[34:36] for frame in frames}) == 4


def test_generated_is_received_to_the_packet(netns: Namespace) -> None:
    netns.generate(100_000)
    assert netns.counter(netns.capture, "rx_packets") == 100_000


def test_jumbo_and_paced(netns: Namespace) -> None:
    with namespace(mtu=65521, queues=2) as wide:
        wide.generate(10, (65535,), rate=1000)
        assert wide.counter(wide.capture, "rx_bytes") == 10 * 65535


def test_given_frames_are_sent_as_they_are() -> None:
    # A packet socket refuses what is shorter than an Ethernet header.
    given = [frame for _, frame in zoo() if len(frame) >= 14]
    with namespace(mtu=65521) as wide, _receive(wide, len(given)) as packet:
        wide.send(given)
        received = [packet.recv(1 << 17) for _ in given]
    # The kernel takes VLAN tags out of a frame on the way up; a capture library puts them back.
    pairs = [pair for pair in zip(given, received, strict=True) if pair[0][12:14] not in (b"\x81\x00", b"\x88\xa8")]
    assert len(pairs) == len(given) - 2
    assert all(sent == arrived for sent, arrived in pairs)
