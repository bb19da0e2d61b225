"""Metrics and status page of one capture, from its configuration: `--metrics` and what goes with it."""

import hmac
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from fastcapa import confinement, listen_address, secret
from fastcapa.config import CaptureConfig
from fastcapa.errors import UsageError
from fastcapa.listen_address import ListenAddress
from fastcapa.monitor import Monitor

TOKEN_VARIABLE = "FASTCAPA_METRICS_TOKEN"  # noqa: S105 -- its name
TOKEN_BYTES_MIN = 16
_TOKEN_BYTES_MAX = 4096
_BACKLOG = 64


@contextmanager
def serve(config: CaptureConfig, monitor: Monitor) -> Iterator[list[str]]:
    """Serve the monitor while the context lasts, if that is wanted; yields lines for the log.

    Raises UsageError for an address that cannot be had, a token or a certificate that cannot be read.
    """
    if config.metrics is None:
        yield []
        return
    # Not loaded by those who do not need them.
    from fastcapa.monitor.http import Server  # noqa: PLC0415
    from fastcapa.monitor.site import Site  # noqa: PLC0415

    token, tls = _token(config), _tls(config)
    listener = _listen(config.metrics)
    loopback = _is_loopback(listener)
    answer = Site(monitor, token, loopback=loopback).answer
    server = Server(listener, answer, tls, keep=confinement.for_threads(config))
    try:
        yield list(_lines(listener, token, tls, loopback))
    finally:
        server.close()


def check_metrics(config: CaptureConfig) -> None:
    """Raise UsageError for what would keep serve() from working."""
    if config.metrics is not None:
        _token(config)
        _tls(config)
        _listen(config.metrics).close()


def holds_secrets(config: CaptureConfig) -> bool:
    """Return whether there is a token or the key of a certificate."""
    if config.metrics is None:
        return False
    return bool(config.metrics_token_file or config.metrics_certificate or secret.take_variable(TOKEN_VARIABLE))


def _lines(listener: socket.socket, token: bytes | None, tls: ssl.SSLContext | None, loopback: bool) -> Iterator[str]:
    scheme = "https" if tls is not None else "http"
    yield f"status page and metrics at {scheme}://{ListenAddress(*listener.getsockname()[:2])}/"
    if not loopback and token is None:
        yield "everybody who reaches that address can read them; --metrics-token-file asks for a token"
    elif not loopback and tls is None:
        yield "the token goes over the network in plain text; --metrics-certificate encrypts it"


def _listen(text: str) -> socket.socket:
    address = listen_address.parse(text)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--metrics {text}: {_words(error)}; give an address of this host") from None
    try:
        # A run that has just ended leaves connections that still keep the address.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UsageError(f"--metrics {text}: {_words(error)}; give another port, or an address of this host") from None
    return listener


def _words(error: OSError | UnicodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _token(config: CaptureConfig) -> bytes | None:
    """Return the token that clients have to give; the file's wins over the environment's."""
    where, text = TOKEN_VARIABLE, secret.take_variable(TOKEN_VARIABLE)
    if config.metrics_token_file is not None:
        where = f"--metrics-token-file {config.metrics_token_file}"
        text = secret.from_file(config.metrics_token_file, "--metrics-token-file")
    if text is None:
        return None
    token = os.fsencode(text.strip())
    # Visible ASCII is what an Authorization header can carry.
    if not TOKEN_BYTES_MIN <= len(token) <= _TOKEN_BYTES_MAX or not all(0x21 <= byte <= 0x7E for byte in token):
        raise UsageError(
            f"{where}: a token is one word of {TOKEN_BYTES_MIN} to {_TOKEN_BYTES_MAX} visible ASCII characters, such"
            " as `openssl rand -hex 32` makes"
        )
    return token


def _tls(config: CaptureConfig) -> ssl.SSLContext | None:
    if config.metrics_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without the password OpenSSL would ask the terminal for one.
        context.load_cert_chain(config.metrics_certificate, config.metrics_key, password="")
    except (OSError, ValueError) as error:
        files = f"--metrics-certificate {config.metrics_certificate}"
        if config.metrics_key is not None:
            files += f" --metrics-key {config.metrics_key}"
        reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
        raise UsageError(
            f"{files}: cannot be used ({reason or error}); a certificate and its key are needed, in PEM, not encrypted"
        ) from None
    return context


def same_token(given: bytes, token: bytes) -> bool:
    """Return whether the tokens are the same, in a time that says nothing of where they differ."""
    return hmac.compare_digest(given, token)
