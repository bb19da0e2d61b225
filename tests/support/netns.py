"""Network namespaces with a veth pair, and exact numbers of generated packets in them."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.frames import IPV4, SOURCE_MAC, TARGET_MAC
from support.need import need

# The generator counts in the last four bytes of the source address, so that no checksum changes with it.
COUNTER = slice(8, 12)
# trafgen's dinc() loops for ever at 0xffffffff: its range, max - min + 1, is then 0 in 32 bits.
_COUNTER_MAX = 0x7FFFFFFF


@dataclass(frozen=True)
class Namespace:
    """A namespace with a veth pair in it: what is sent on `generator` arrives on `capture`."""

    name: str
    generator: str = "gen0"
    capture: str = "cap0"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it in here."""
        return ("ip", "netns", "exec", self.name)

    def run(self, *command: str, timeout: float = 30) -> str:
        """Run a command in here; its standard output. Raises if it fails."""
        result = subprocess.run(
            [*self.prefix, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def counter(self, interface: str, name: str) -> int:
        """One of the kernel's counters of an interface, for example "rx_packets"."""
        return int(self.run("cat", f"/sys/class/net/{interface}/statistics/{name}"))

    def generate(
        self,
        count: int,
        sizes: Sequence[int] = (64,),
        *,
        flows: int = 4,
        rate: int | None = None,
        timeout: float = 120,
        tail: bytes = b"",
    ) -> None:
        """Send exactly `count` UDP frames with trafgen: frame i has sizes[i % len(sizes)] bytes.

        Its number i is in the bytes COUNTER of the frame (at most 2**31 frames), its source port
        one of `flows`. `rate` is in packets a second; without it, as fast as one core goes. `tail` is what
        each frame ends with.
        Raises if the kernel's counter does not say `count`.
        """
        need(shutil.which("trafgen"), "no trafgen; apt-get install netsniff-ng")
        before = self.counter(self.generator, "tx_packets")
        packets = " ".join(_packet(i, len(sizes), size, flows, tail) for i, size in enumerate(sizes))
        # A gap of 0 selects sendto(2): TX_RING can lose what is in the ring when its socket is closed.
        pace = ("--rate", f"{rate}pps") if rate else ("--gap", "0")
        jumbo = ("--jumbo-support",) if max(sizes) > 2048 else ()
        command = [*self.prefix, "trafgen", "--dev", self.generator, "--num", str(count), "--cpus", "1"]
        command += ["--no-cpu-stats", "--notouch-irq", *pace, *jumbo, packets]
        try:
            # On a time-out run() kills it: trafgen does not heed SIGTERM in a loop.
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"trafgen did not send {count} packets in {timeout} s") from error
        sent = self.counter(self.generator, "tx_packets") - before
        if result.returncode != 0 or sent != count:
            raise RuntimeError(f"trafgen: exit {result.returncode}, {sent} of {count} sent: {result.stderr[-400:]}")

    def send(self, frames: Sequence[bytes], interface: str | None = None) -> None:
        """Send these very frames, one by one, through a packet socket (slower than generate())."""
        with self.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
            packet.bind((interface or self.generator, 0))
            for frame in frames:
                packet.send(frame)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace: sockets and processes that it makes are, and stay."""
        # setns(2) through Python's os module exists from 3.12 on; the library call serves 3.11 too.
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _set_namespace(there)
            yield
        finally:
            _set_namespace(home)
            os.close(there)
            os.close(home)


@contextmanager
def namespace(
    *, queues: int = 1, mtu: int = 1500, offloads: bool = False, address: str | None = None
) -> Iterator[Namespace]:
    """A fresh namespace with a veth pair that carries nothing but what the test sends.

    `mtu` is at most 65535; a frame is up to 14 bytes longer. `offloads` keeps checksum and
    segmentation offload on, so that frames from the namespace's own stack arrive unfinished.
    `address` makes a second pair to the outside: (address)/24 outside, its successor inside.
    """
    need(os.geteuid() == 0, "no privilege to make network namespaces; run as root")
    need(shutil.which("ip"), "no ip command; apt-get install iproute2")
    made = Namespace(f"fastcapa-{os.getpid()}-{secrets.token_hex(3)}")
    _ip("netns", "add", made.name)
    try:
        # Before any link exists: else IPv6 announces itself on it and the counts are off by a few.
        made.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
        made.run("ip", "link", "set", "lo", "up")
        each = ("mtu", str(mtu), "numtxqueues", str(queues), "numrxqueues", str(queues))
        pair = ("name", made.generator, *each, "type", "veth", "peer", "name", made.capture, *each)
        made.run("ip", "link", "add", *pair)
        for interface in (made.generator, made.capture):
            if not offloads:
                need(shutil.which("ethtool"), "no ethtool; apt-get install ethtool")
                switches = [word for name in ("tx", "rx", "tso", "gso", "gro") for word in (name, "off")]
                made.run("ethtool", "-K", interface, *switches)
            made.run("ip", "link", "set", interface, "up")
        if address is not None:
            _connect(made, address)
        yield made
    finally:
        _remove(made)


def unused_address() -> str:
    """The first address of a network that this machine does not use yet, for namespace(address=...)."""
    used = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    return next(address for number in range(100, 256) if f" {(address := f'10.213.{number}.1')}/" not in used)


def _connect(inside: Namespace, address: str) -> None:
    """A pair from here into the namespace; it disappears with the namespace."""
    network, _, host = address.rpartition(".")
    outer = f"fc{secrets.token_hex(4)}"
    _ip("link", "add", "name", outer, "type", "veth", "peer", "name", "up0", "netns", inside.name)
    Path(f"/proc/sys/net/ipv6/conf/{outer}/disable_ipv6").write_text("1")
    _ip("address", "add", f"{address}/24", "dev", outer)
    _ip("link", "set", outer, "up")
    inside.run("ip", "address", "add", f"{network}.{int(host) + 1}/24", "dev", "up0")
    inside.run("ip", "link", "set", "up0", "up")


def _remove(made: Namespace) -> None:
    """Delete the namespace, after what still runs in it: a process would keep its links alive."""
    pids = subprocess.run(["ip", "netns", "pids", made.name], capture_output=True, text=True, check=False).stdout
    for pid in map(int, pids.split()):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    # Links go when the last reference does; deleting them by hand makes that now.
    subprocess.run([*made.prefix, "ip", "link", "delete", made.generator], capture_output=True, check=False)
    _ip("netns", "delete", made.name)


def _packet(number: int, step: int, size: int, flows: int, tail: bytes) -> str:
    """One packet in trafgen's language; it fills in lengths and checksums itself."""
    target = TARGET_MAC.hex(":")
    start = (SOURCE_MAC[:2] + struct.pack(">I", number)).hex(":")
    return (
        f"{{ eth(da={target}, sa={start}, sa=dinc({number}, {_COUNTER_MAX}, {step}), type={IPV4:#06x}), "
        f"ipv4(sa=10.0.0.1, da=10.0.0.2), udp(sp=1000, sp=dinc(1000, {999 + flows}), dp=2000), "
        f"fill(0x5a, {size - 42 - len(tail)}){''.join(f', {byte:#04x}' for byte in tail)} }}"
    )


def _ip(*words: str) -> None:
    result = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"ip {' '.join(words)}: {result.stderr.strip()}")


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    if libc.setns(descriptor, clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "setns")
