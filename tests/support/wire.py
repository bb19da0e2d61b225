"""A network link through this process: frames may be late, lost, or not come through at all.

What tc's netem does, for kernels that have none: two tap devices, one here and one in a namespace.
"""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import random
import secrets
import select
import struct
import subprocess
import time
from pathlib import Path

from support.background import Background
from support.need import need
from support.netns import Namespace

_TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_FRAME_BYTES = 65_550
_LOOK_S = 0.1


class Wire(Background):
    """The link: (address)/24 on this side, its successor in the namespace. One thread forwards both ways."""

    def __init__(self, inside: Namespace, address: str) -> None:
        super().__init__("wire")
        need(_TUN.exists(), f"no {_TUN}: the kernel has no tun devices")
        self.delay_s = 0.0  # writer: the test; reader: the thread, as the next one
        self.loss = 0.0
        """Share of the frames that are lost, in each direction."""
        self.lost = 0
        network, _, host = address.rpartition(".")
        outer = f"fc{secrets.token_hex(4)}"
        self._ends = [_tap(outer)]
        with inside.entered():
            self._ends.append(_tap("wire0"))
        subprocess.run(["ip", "address", "add", f"{address}/24", "dev", outer], check=True)
        subprocess.run(["ip", "link", "set", outer, "up"], check=True)
        inside.run("ip", "address", "add", f"{network}.{int(host) + 1}/24", "dev", "wire0")
        inside.run("ip", "link", "set", "wire0", "up")

    def _free(self) -> None:
        for end in self._ends:
            os.close(end)

    def _run(self) -> None:
        other = dict(zip(self._ends, reversed(self._ends), strict=True))
        order = itertools.count()  # frames that are due at the same time stay in order
        due: list[tuple[float, int, int, bytes]] = []
        while not self._ended.is_set():
            wait_s = _LOOK_S if not due else min(max(due[0][0] - time.monotonic(), 0), _LOOK_S)
            for end in select.select(self._ends, [], [], wait_s)[0]:
                frame = os.read(end, _FRAME_BYTES)
                if random.random() < self.loss:  # noqa: S311 -- no secret
                    self.lost += 1
                else:
                    heapq.heappush(due, (time.monotonic() + self.delay_s, next(order), other[end], frame))
            while due and due[0][0] <= time.monotonic():
                _, _, end, frame = heapq.heappop(due)
                os.write(end, frame)


def _tap(name: str) -> int:
    """A tap device in this thread's namespace; it goes with its descriptor."""
    descriptor = os.open(_TUN, os.O_RDWR)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return descriptor
