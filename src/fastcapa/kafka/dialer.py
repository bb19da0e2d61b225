"""From an address to a connection that may be used: connected, verified, its versions known, authenticated."""

import errno
import time
from collections.abc import Callable

from fastcapa._dataplane import DataplaneError, Tls, Transport
from fastcapa.kafka.address import Address
from fastcapa.kafka.authentication import authenticate
from fastcapa.kafka.connection import Connection, ConnectionFailed, NotTrusted, connect, make_tls
from fastcapa.kafka.direct import DirectSettings


class Dialer:
    """Makes connections, all with the newest settings. Any thread."""

    def __init__(self, settings: DirectSettings, cancelled: Callable[[], bool]) -> None:
        """Read the TLS files; raises RunTimeError naming the one that is wrong."""
        self._cancelled = cancelled
        self._made_with = _with_tls(settings)  # one object: a thread that dials sees both of it, or neither

    def use(self, settings: DirectSettings) -> None:
        """Make connections with other settings from now on; reads the TLS files, raises as the constructor does."""
        self._made_with = _with_tls(settings)

    def dial(self, address: Address, wait_s: float | None = None) -> Connection:
        """Return an authenticated connection; blocks up to `connect_timeout_s`, and `wait_s` if that is less.

        Raises ConnectionFailed, AuthenticationFailed and NotTrusted among it, or Interrupted.
        """
        settings, tls = self._made_with
        timeout_s = settings.connect_timeout_s
        deadline = time.monotonic() + (timeout_s if wait_s is None else min(wait_s, timeout_s))
        connected = connect(address, settings.family, deadline, self._cancelled, settings.send_buffer_bytes)
        try:
            transport = _transport(tls, connected.detach(), address, deadline)
        except DataplaneError as error:
            failed = NotTrusted if error.errno == errno.EACCES else ConnectionFailed
            raise failed(f"broker {address}: {error}") from None
        connection = Connection(transport, address, settings.client_id, self._cancelled)
        try:
            connection.learn_versions(deadline)
            if settings.security.sasl is not None:
                began = time.monotonic()
                lifetime_s = authenticate(connection, settings.security.sasl, deadline)
                connection.session_ends = None if lifetime_s is None else began + lifetime_s
        except BaseException:
            connection.close()
            raise
        return connection


def _with_tls(settings: DirectSettings) -> tuple[DirectSettings, Tls | None]:
    return settings, make_tls(settings.security.tls) if settings.security.tls is not None else None


def _transport(tls: Tls | None, descriptor: int, address: Address, deadline: float) -> Transport:
    if tls is None:
        return Transport.plain(descriptor)
    left_ms = max(int(1000 * (deadline - time.monotonic())), 1)
    return Transport.tls(tls, descriptor, address.host, left_ms)
