"""What a service manager is told: sd_notify(3), which is a datagram to the socket that NOTIFY_SOCKET names."""

import contextlib
import os
import socket


class ServiceManager:
    """Tells systemd how a capture is; without a service manager it tells nobody."""

    def __init__(self) -> None:
        name = os.environ.get("NOTIFY_SOCKET", "")
        # "@" stands for the NUL that an abstract name begins with.
        self._address = "\0" + name[1:] if name.startswith("@") else name

    def ready(self) -> None:
        """Say that packets are received from now on."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Say that the engine was just heard of, for the watchdog, and what `systemctl status` is to show."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A manager that does not listen is no reason to stop, nor one that is slow to wait.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), self._address)
