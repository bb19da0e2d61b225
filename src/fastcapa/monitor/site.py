"""What is served: /metrics, /healthz, /readyz, the status page and the numbers that it shows. No sockets here.

The page itself holds no number, so it needs no token: it asks the user for one and sends it with each request.
"""

import dataclasses
import ipaddress
import json
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

from fastcapa import __version__
from fastcapa.monitor import Monitor, Status
from fastcapa.monitor.http import Request, Response
from fastcapa.monitor.metrics import Exposition
from fastcapa.monitor.serve import same_token

# The page may load what this server serves, and nothing else from anywhere.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_JSON = "application/json"
PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/format.js": ("format.js", "text/javascript; charset=utf-8"),
    "/plot.js": ("plot.js", "text/javascript; charset=utf-8"),
    "/picture.js": ("picture.js", "text/javascript; charset=utf-8"),
}


class Site:
    """Answers requests from the monitor's newest status."""

    def __init__(self, monitor: Monitor, token: bytes | None, *, loopback: bool) -> None:
        """`token` is asked for where there are numbers; on loopback a name that is not this host's is refused."""
        self._monitor = monitor
        self._token = token
        self._loopback = loopback
        self._exposition = Exposition(monitor)
        folder = resources.files("fastcapa.monitor") / "page"
        self._page = {
            path: Response(200, (folder / name).read_bytes(), content_type)
            for path, (name, content_type) in PAGE.items()
        }
        # Answers that were made of a status in one second: however many ask, each is made once.
        self._made_of: tuple[Status, int] | None = None
        self._made: dict[tuple[str, str], Response] = {}

    def answer(self, request: Request) -> Response:
        """Return the response, with the headers that every response has."""
        response = self._answer(request)
        return dataclasses.replace(response, headers={**SECURITY_HEADERS, **response.headers})

    def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"GET and HEAD only\n", headers={"Allow": "GET, HEAD"})
        # A web site whose name was made to lead to this host must not read what a browser on this host may.
        if self._loopback and not _names_loopback(request.headers.get("host", "")):
            return Response(421, b"this server answers to localhost and loopback addresses only\n")
        numbers = {"/metrics": self._metrics, "/status.json": self._status, "/history.json": self._history}
        if request.path not in numbers:
            return self._without_numbers(request.path)
        if not self._may(request):
            return Response(401, b"a bearer token is needed\n", headers={"WWW-Authenticate": 'Bearer realm="fastcapa"'})
        return self._once(request, numbers[request.path])

    def _without_numbers(self, path: str) -> Response:
        """Answer what needs no token: the page, and whether all is well."""
        status, now = self._monitor.status, time.monotonic()
        if path == "/healthz":
            return _probe(status.healthy(now))
        if path == "/readyz":
            return _probe(status.ready(now))
        return self._page.get(path) or Response(404, b"not found: see /, /metrics, /healthz, /readyz\n")

    def _may(self, request: Request) -> bool:
        if self._token is None:
            return True
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and same_token(given.strip().encode("latin-1"), self._token)

    def _once(self, request: Request, make: Callable[[Status, str], Response]) -> Response:
        status = self._monitor.status
        second = int(time.monotonic())
        if self._made_of is None or self._made_of[0] is not status or self._made_of[1] != second:
            self._made_of, self._made = (status, second), {}
        accept = request.headers.get("accept", "") if request.path == "/metrics" else ""
        key = (request.path, accept)
        if key not in self._made:
            if len(self._made) >= 8:  # each client may invent its own Accept header
                self._made = {}
            self._made[key] = make(status, accept)
        return self._made[key]

    def _metrics(self, status: Status, accept: str) -> Response:
        text, content_type = self._exposition.render(accept)
        return Response(200, text, content_type)

    def _status(self, status: Status, accept: str) -> Response:
        now = time.monotonic()
        history = self._monitor.history()
        return _json(
            {
                "version": __version__,
                "phase": status.phase,
                "ill": status.healthy(now),
                "not_ready": status.ready(now),
                "about": None if status.about is None else dataclasses.asdict(status.about),
                "view": None if status.view is None else dataclasses.asdict(status.view),
                "point": history[-1] if history else None,
            }
        )

    def _history(self, status: Status, accept: str) -> Response:
        return _json(self._monitor.history())


def _json(value: Any) -> Response:
    return Response(200, json.dumps(value, separators=(",", ":")).encode(), _JSON)


def _probe(problem: str | None) -> Response:
    return Response(200, b"ok\n") if problem is None else Response(503, f"{problem}\n".encode())


def _names_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
    name = name.removeprefix("[").removesuffix("]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
