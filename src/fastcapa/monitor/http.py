"""A small HTTP/1.1 server for a few pages: h11 speaks the protocol, this bounds what a client can take.

It has one thread and an event loop in it, and nothing of it waits for the supervisor or makes that wait. At most
CONNECTIONS_MAX connections are open, TLS handshakes among them; others wait in the kernel's queue. A request has
REQUEST_S to come, whole, its answer RESPONSE_S to go: a client that is slow, or says nothing, makes room for the next.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from fastcapa.threads import start_thread

CONNECTIONS_MAX = 32
REQUEST_S = 5.0
RESPONSE_S = 10.0
# Of a connection, however busy.
CONNECTION_S = 600.0
HEAD_BYTES_MAX = 16_384
_PIECE_BYTES = 16_384
_CLOSE_S = 2.0
# After an accept() that failed, for want of descriptors for example.
_PAUSE_S = 0.1


@dataclass(frozen=True)
class Request:
    """A request without a body."""

    method: str
    path: str
    """Without the query."""
    headers: dict[str, str]
    """By names in lower case; of several with one name, the last."""


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Request], Response]


class _Refused(Exception):
    """A request that gets an answer of ours and the end of its connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Server:
    """Serves what `answer` says, from the start until close()."""

    def __init__(
        self, listener: socket.socket, answer: Answer, tls: ssl.SSLContext | None = None, *, keep: int = 0
    ) -> None:
        """Take the listening socket; `answer` is called in the server's thread and must not wait.

        `keep`: capabilities of that thread.
        """
        self._listener = listener
        self._listener.setblocking(False)
        self._answer = answer
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._thread = start_thread("fc-http", self._run, keep)

    def close(self) -> None:
        """Close every connection, and the listening socket."""
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._listener.close()

    async def _serve(self) -> None:
        # A connection that breaks is no news, whatever the transport makes of it.
        self._loop.set_exception_handler(lambda *_: None)
        accepting = asyncio.create_task(self._accept())
        await self._ending.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait([accepting, *tasks], timeout=_CLOSE_S)

    async def _accept(self) -> None:
        room = asyncio.Semaphore(CONNECTIONS_MAX)
        tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps weak references only

        def ended(task: "asyncio.Task[None]") -> None:
            tasks.discard(task)
            room.release()

        while True:
            await room.acquire()
            try:
                connection, _ = await self._loop.sock_accept(self._listener)
            except OSError:
                room.release()
                await asyncio.sleep(_PAUSE_S)
                continue
            task = asyncio.create_task(self._converse(connection))
            tasks.add(task)
            task.add_done_callback(ended)

    async def _converse(self, connection: socket.socket) -> None:
        writer = None
        try:
            async with asyncio.timeout(CONNECTION_S):
                reader, writer = await self._open(connection)
                http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
                while await self._exchange(http, reader, writer):
                    http.start_next_cycle()
                writer.close()
                async with asyncio.timeout(REQUEST_S):
                    await writer.wait_closed()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # OSError: of TLS too
        finally:
            if writer is not None:  # else the loop has closed what it had begun to open
                writer.transport.abort()

    async def _open(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader(limit=_PIECE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        wait_s = None if self._tls is None else REQUEST_S
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol, connection, ssl=self._tls, ssl_handshake_timeout=wait_s, ssl_shutdown_timeout=wait_s
        )
        transport.set_write_buffer_limits(0)  # drain() waits until the kernel has all of it
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)

    async def _exchange(self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether another one may follow on this connection."""
        method = ""
        closes = True
        try:
            async with asyncio.timeout(REQUEST_S):
                request = await _receive(http, reader)
            if request is None:
                return False
            method = request.method
            response = self._answer(request)
            closes = False
        except h11.RemoteProtocolError as error:
            response = Response(error.error_status_hint, b"not understood\n")
        except _Refused as error:
            response = Response(error.status, f"{error}\n".encode())
        except Exception:  # a defect of ours: to be seen by whoever asked, and no reason to stop serving
            if not method:
                raise
            response = Response(500, b"internal error\n")
        async with asyncio.timeout(RESPONSE_S):
            await _send(http, writer, response, method, closes=closes)
        return http.our_state is h11.DONE and http.their_state is h11.DONE


async def _receive(http: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """Return the next request, None at the end of the connection."""
    request: h11.Request | None = None
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(_PIECE_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            raise _Refused(413, "no request here has a body")
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
            path = request.target.decode("latin-1").partition("?")[0]
            return Request(request.method.decode("ascii"), path, headers)
        else:  # the connection is closed
            return None


async def _send(
    http: h11.Connection, writer: asyncio.StreamWriter, response: Response, method: str, *, closes: bool
) -> None:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        **response.headers,
        **({"Connection": "close"} if closes else {}),
    }
    head = http.send(h11.Response(status_code=response.status, headers=list(headers.items())))
    body = http.send(h11.Data(data=response.body)) if method != "HEAD" else b""
    writer.write((head or b"") + (body or b"") + (http.send(h11.EndOfMessage()) or b""))
    await writer.drain()
