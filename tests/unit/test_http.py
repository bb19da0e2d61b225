"""The server against clients that are slow, rude or many."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from fastcapa.monitor import http
from fastcapa.monitor.http import Request, Response, Server


class Site:
    """Answers with what it was asked."""

    def __init__(self, body: bytes = b"") -> None:
        self.requests: list[Request] = []
        self._body = body

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        if request.path == "/defect":
            raise RuntimeError("a defect")
        return Response(200, self._body or f"{request.method} {request.path}".encode(), headers={"X-Test": "1"})


@contextmanager
def served(site: Site) -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = Server(listener, site)
    try:
        yield listener.getsockname()
    finally:
        server.close()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def address(site: Site) -> Iterator[tuple[str, int]]:
    with served(site) as where:
        yield where


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_S", 0.5)
    monkeypatch.setattr(http, "RESPONSE_S", 0.5)


def talk(address: tuple[str, int], data: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(data)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    received = b""
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


LAST = "Connection: close"


def test_a_request_and_its_answer(address: tuple[str, int], site: Site) -> None:
    answer = talk(address, get("/a?b=c", "Authorization: Bearer x", LAST))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nGET /a")
    assert b"X-Test: 1" in answer
    assert site.requests[0].headers["authorization"] == "Bearer x"


def test_several_on_one_connection_and_head(address: tuple[str, int]) -> None:
    answer = talk(address, get("/1") + get("/2", method="HEAD") + get("/3", LAST))
    assert answer.count(b"HTTP/1.1 200") == 3
    assert b"GET /1" in answer
    assert b"HEAD /2" not in answer
    assert answer.endswith(b"GET /3")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),  # TLS to a plain port
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"nonsense\r\n\r\n", b"400"),
        (get("/", "A: " + "x" * 40_000), b"431"),
        (get("/" + "x" * 40_000), b"431"),
        (get("/", "Content-Length: 5", method="POST") + b"abcde", b"413"),
        (get("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nabcde\r\n", b"413"),
        (get("/", "Content-Length: 99999999999999999999", method="POST") + b"a", b"4"),
        (get("/defect", LAST), b"500"),
    ],
)
def test_what_is_refused_ends_the_connection(address: tuple[str, int], data: bytes, status: bytes) -> None:
    assert talk(address, data).split(b" ")[1].startswith(status)
    assert b" 200 " in talk(address, get("/", LAST))  # and the next one is served


@pytest.mark.usefixtures("impatient")
def test_a_client_that_says_little_or_nothing_is_closed(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=30) as silent, socket.create_connection(address) as slow:
        begun = time.monotonic()
        for byte in get("/")[:-1]:  # a byte now and then, and never the last one
            try:
                slow.send(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            time.sleep(0.05)
        assert rest(silent) == b""
        assert time.monotonic() - begun < 20


@pytest.mark.usefixtures("impatient")
def test_a_client_that_does_not_read_is_closed() -> None:
    site = Site(b"x" * (1 << 20))
    with served(site) as address, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(address)
        client.settimeout(30)
        for _ in range(64):  # far more than the kernel's buffers hold
            client.sendall(get("/"))
        time.sleep(2)
        assert len(site.requests) < 64
        assert b" 200 " in talk(address, get("/", LAST))


@pytest.mark.usefixtures("impatient")
def test_more_clients_than_there_is_room_for_wait_for_their_turn(address: tuple[str, int]) -> None:
    silent = [socket.create_connection(address, timeout=30) for _ in range(http.CONNECTIONS_MAX + 10)]
    try:
        assert b" 200 " in talk(address, get("/", LAST))
    finally:
        for client in silent:
            client.close()


def test_it_ends_with_connections_open(site: Site) -> None:
    with served(site) as address:
        client = socket.create_connection(address, timeout=30)
        client.sendall(get("/"))
        client.recv(1)
        begun = time.monotonic()
    with closing(client):
        assert time.monotonic() - begun < 10
        rest(client)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
