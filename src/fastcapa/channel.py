"""Between supervisor and engine: a stream socket with JSON objects, a line each, both ways.

To the engine: one Settings, then {"stop": seconds} to drain for so long, 0 to give up at once, and, once it has
started, {"properties": ...}, Kafka properties whose credentials are to be used from now on, and {"filter": ...,
"snaplen": ...}, for packets from now on; one message may have both.

To the supervisor, by "type": "started" (clocks), "log" (level as in syslog, text) and "snapshot" (report); at the end
"final" (report, source_failed, failed: it ended for nothing that was asked for) and "closed" (mbufs_missing: packet
buffers that did not come back to their pools, 0 unless we lost some), or "error" (text, errno) when it could not start.
"""

import json
import socket
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fastcapa.config import CaptureConfig
from fastcapa.plan import Plan


class Settings(BaseModel):
    """Everything an engine is told."""

    model_config = ConfigDict(hide_input_in_errors=True)  # passwords are among it

    config: CaptureConfig
    plan: Plan
    partitions: int
    value_bytes_max: int
    """The largest frame that the topic takes."""
    producer: Literal["direct", "librdkafka"]
    """The one that was chosen."""
    batch_bytes_max: int
    """The largest record batch that the topic takes, as far as the supervisor knows."""
    exclude: dict[str, str]
    """Per kernel interface: pcap-filter(7) of packets that are never wanted."""


class Channel:
    """The socket to the supervisor: JSON objects, a line each, both ways."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self.closed = False

    def fileno(self) -> int:
        """Return the descriptor, for select and poll."""
        return self._connection.fileno()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; a peer that is gone makes the channel closed."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.closed = True

    def receive(self) -> Iterator[dict[str, Any]]:
        """Wait for the next piece and yield the whole messages in it; the end of the stream makes it closed."""
        try:
            piece = self._connection.recv(1 << 16)
        except ConnectionError:
            piece = b""
        self.closed = self.closed or not piece
        *lines, self._received = (self._received + piece).split(b"\n")
        for line in lines:
            yield json.loads(line)
