"""One connection to one broker: made, asked questions one at a time, and perhaps handed over to the data plane.

The encoding of requests and responses is kafka-python's; bytes go through the data plane's own transport, so that what
is handed over is the very stream that was checked and authenticated.
"""

import errno
import logging
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from kafka.errors import KafkaError, for_code
from kafka.protocol.metadata import ApiVersionsRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.producer import ProduceRequest

from fastcapa._dataplane import DataplaneError, Tls, Transport
from fastcapa.errors import RunTimeError
from fastcapa.kafka.address import Address
from fastcapa.kafka.authorities import of_system
from fastcapa.kafka.security import TlsSettings

# How soon a wait notices that it is not wanted any more.
_SLICE_S = 0.1
_PIECE_BYTES = 1 << 16
# What the data plane writes. Version 3 is the first with record batches, 9 the first with tagged fields.
PRODUCE_VERSIONS = (3, 8)

# What we say, we say in our own words. Without this, warnings of a library end on standard error.
logging.getLogger("kafka").addHandler(logging.NullHandler())


class ConnectionFailed(RunTimeError):
    """There is no connection, or none any more; the message says to whom and why."""


class AuthenticationFailed(ConnectionFailed):
    """Broker and client do not accept each other. Time alone does not mend that."""


class NotTrusted(ConnectionFailed):
    """A broker showed a certificate that we do not accept. Time alone does not mend that; others may have another."""


class Interrupted(RunTimeError):
    """It was told to give up."""


def error_name(code: int) -> str:
    """Return Kafka's name of an error code, such as NOT_LEADER_OR_FOLLOWER."""
    return str(getattr(for_code(code), "message", None) or f"error {code}")


def connect(
    address: Address,
    family: socket.AddressFamily,
    deadline: float,
    cancelled: Callable[[], bool],
    send_buffer_bytes: int = 0,
) -> socket.socket:
    """Return a socket connected to the first of the host's addresses that answers before `deadline` (monotonic).

    Raises ConnectionFailed, or Interrupted when `cancelled` says so. The resolver alone cannot be interrupted.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "is no host name"
        raise ConnectionFailed(f"cannot find {address.host}: {why}") from None
    problems: list[str] = []
    for left, (kind, _, _, _, target) in zip(range(len(found), 0, -1), found, strict=True):
        now = time.monotonic()
        made = socket.socket(kind, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if send_buffer_bytes:  # without, the kernel sizes it by itself
                made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
            _connect(made, target, now + (deadline - now) / left, cancelled)
        except OSError as error:
            made.close()
            problems.append(error.strerror or str(error))
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise ConnectionFailed(f"cannot connect to {address}: {', '.join(dict.fromkeys(problems))}")


def _connect(made: socket.socket, target: Any, deadline: float, cancelled: Callable[[], bool]) -> None:
    """Connect without blocking for long; raises OSError or Interrupted."""
    made.setblocking(False)
    status = made.connect_ex(target)
    if status == errno.EINPROGRESS:
        if not _wait(made.fileno(), select.POLLOUT, deadline, cancelled):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        status = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise OSError(status, os.strerror(status))


def _wait(descriptor: int, events: int, deadline: float, cancelled: Callable[[], bool]) -> bool:
    """Wait until something can be done with a descriptor; False when the time is over."""
    poll = select.poll()
    poll.register(descriptor, events)
    while not cancelled():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if poll.poll(1000 * min(left, _SLICE_S)):
            return True
    raise Interrupted("interrupted while waiting for Kafka")


class Connection:
    """A broker on the other end of a transport. Belongs to one thread at a time."""

    def __init__(
        self, transport: Transport, address: Address, client_id: str, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Take the transport. `cancelled` ends every wait."""
        self.address = address
        self.session_ends: float | None = None
        """When the broker will want us to have authenticated anew; monotonic seconds, None: never."""
        self._transport = transport
        self._protocol = KafkaProtocol(client_id=client_id)
        self._cancelled = cancelled
        self._versions: dict[int, tuple[int, int]] = {}

    def close(self) -> None:
        """Close it."""
        self._transport.close()

    def take(self) -> Transport:
        """Hand the transport over: nothing is in flight, and this object must not be used any more."""
        return self._transport

    def request(self, message: Any, deadline: float) -> Any:
        """Send a request of kafka-python's classes, its version set; return the response. `deadline`: monotonic.

        Raises ConnectionFailed, and Interrupted.
        """
        try:
            self._protocol.send_request(message)
            self._send(bytes(self._protocol.send_bytes()), deadline)
            while True:
                for _, response in self._protocol.receive_bytes(self._receive(deadline)):
                    return response
        except DataplaneError as error:
            raise ConnectionFailed(f"broker {self.address}: {error}") from None
        except (KafkaError, ValueError, IndexError, struct.error) as error:
            raise ConnectionFailed(
                f"broker {self.address} sent what is no answer of Kafka's ({type(error).__name__});"
                " is its port the right one for security.protocol?"
            ) from None

    def _send(self, data: bytes, deadline: float) -> None:
        while data:
            sent = self._transport.send(data)
            if sent is None:
                self._wait(select.POLLOUT, deadline)
            else:
                data = data[sent:]

    def _receive(self, deadline: float) -> bytes:
        while (data := self._transport.recv(_PIECE_BYTES)) is None:
            self._wait(select.POLLIN, deadline)
        if not data:
            raise ConnectionFailed(
                f"broker {self.address} closed the connection; check security.protocol and the broker's log"
            )
        return data

    def _wait(self, events: int, deadline: float) -> None:
        if not _wait(self._transport.fileno(), events, deadline, self._cancelled):
            raise ConnectionFailed(f"broker {self.address} does not answer")

    def learn_versions(self, deadline: float) -> None:
        """Ask which versions of which requests the broker takes.

        In version 0, which every broker takes: those that do not know a later one answer in different ways.
        """
        answer = self.request(ApiVersionsRequest(version=0), deadline)
        if answer.error_code:
            raise ConnectionFailed(f"broker {self.address} does not tell its versions: {error_name(answer.error_code)}")
        self._versions = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}

    def offers(self, request: Any) -> bool:
        """Return whether the broker knows a request at all."""
        return request.API_KEY in self._versions

    def version(self, request: Any, lowest: int, highest: int) -> int:
        """Return the highest version of a request class that broker and we take; raises ConnectionFailed."""
        offered = self._versions.get(request.API_KEY)
        if offered is not None and max(offered[0], lowest) <= min(offered[1], highest):
            return min(offered[1], highest)
        has = "does not have it" if offered is None else f"takes {offered[0]} to {offered[1]}"
        raise ConnectionFailed(
            f"broker {self.address}: {request.__name__} in versions {lowest} to {highest} is needed, it {has};"
            " --producer librdkafka works with other brokers"
        )

    def produce_version(self, lowest: int) -> int:
        """Return the version for the data plane's Produce requests, at least `lowest`; raises ConnectionFailed."""
        return self.version(ProduceRequest, max(lowest, PRODUCE_VERSIONS[0]), PRODUCE_VERSIONS[1])


def make_tls(settings: TlsSettings) -> Tls:
    """Return what TLS connections share; raises RunTimeError naming the file that is wrong."""
    authorities = settings.authorities or of_system()
    is_directory = authorities is not None and os.path.isdir(authorities)  # noqa: PTH112 -- bytes that are no UTF-8
    try:
        return Tls(
            ca_file=None if is_directory else authorities,
            ca_directory=authorities if is_directory else None,
            certificate_file=settings.certificate,
            key_file=settings.key,
            key_password=settings.key_password,
            ciphers=settings.ciphers,
            verify=settings.verify,
            verify_name=settings.verify_name,
        )
    except DataplaneError as error:
        raise RunTimeError(f"TLS: {error}; check the ssl.* properties") from None
