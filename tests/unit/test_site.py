"""What each path answers, without sockets."""

import json
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from support.snapshots import losing, monitor

from fastcapa.monitor import Monitor
from fastcapa.monitor.http import Request, Response
from fastcapa.monitor.site import PAGE, POLICY, Site

TOKEN = b"0123456789abcdef"


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> Response:
    return site.answer(Request(method, path, {"host": "127.0.0.1:9464", **headers}))


def site(made: Monitor | None = None, token: bytes | None = None, *, loopback: bool = True) -> Site:
    return Site(made or monitor(losing(1), losing(2)), token, loopback=loopback)


def test_metrics_status_and_history() -> None:
    made = site()
    metrics = ask(made, "/metrics")
    assert metrics.status == 200
    assert b'fastcapa_rx_ring_full_drops_total{queue="0",source="eth1"} 1200.0' in metrics.body
    assert metrics.content_type.startswith("text/plain; version=")
    status = json.loads(ask(made, "/status.json").body)
    assert (status["phase"], status["about"]["topic"], status["view"]["lost"]) == ("running", "t", 1200)
    assert status["point"] == json.loads(ask(made, "/history.json").body)[-1]


def test_openmetrics_for_who_prefers_it() -> None:
    answer = ask(site(), "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


def test_an_answer_follows_the_newest_status() -> None:
    made = monitor(losing(1))
    served = site(made)
    first = ask(served, "/status.json").body
    made.snapshot(losing(5))
    assert ask(served, "/status.json").body != first


def test_before_the_engine_has_started() -> None:
    made = site(monitor(started=False))
    assert ask(made, "/healthz").status == 200
    assert (ask(made, "/readyz").status, ask(made, "/readyz").body) == (503, b"starting\n")
    assert b"fastcapa_engine_up 0.0" in ask(made, "/metrics").body
    assert json.loads(ask(made, "/status.json").body)["view"] is None


def test_only_numbers_need_the_token() -> None:
    made = site(token=TOKEN)
    for path in ("/", "/page.js", "/healthz", "/readyz"):
        assert ask(made, path).status == 200, path
    for path in ("/metrics", "/status.json", "/history.json"):
        refused = ask(made, path)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="fastcapa"')
        for wrong in ("", "Bearer", "Bearer 0123456789abcdeX", "Basic 0123456789abcdef", "Bearer ÿ"):
            assert ask(made, path, authorization=wrong).status == 401, wrong
        assert ask(made, path, authorization=f"Bearer {TOKEN.decode()}").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:9464", 200),
        ("127.0.0.1", 200),
        ("[::1]:9464", 200),
        ("127.1.2.3:1", 200),
        ("evil.example", 421),
        ("evil.example:9464", 421),
        ("10.0.0.1:9464", 421),
        ("localhost.evil.example", 421),
        ("", 421),
    ],
)
def test_on_loopback_other_names_are_refused(host: str, status: int) -> None:
    assert ask(site(), "/metrics", host=host).status == status
    assert ask(site(loopback=False), "/metrics", host=host).status == 200


def test_other_methods_and_paths() -> None:
    assert ask(site(), "/metrics", "POST").status == 405
    assert ask(site(), "/metrics", "HEAD").status == 200
    for path in ("/../../etc/passwd", "/page/index.html", "/status", "*", ""):
        assert ask(site(), path).status == 404, path


def test_every_answer_has_the_policy() -> None:
    for path in ("/", "/metrics", "/nothing"):
        headers = ask(site(), path).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_no_secret_is_served() -> None:
    for path in ("/metrics", "/status.json", "/history.json"):
        assert b"secret" not in ask(site(), path).body


class _Names(HTMLParser):
    """What a page loads, its ids, and markup that the policy would not let work."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "link", "img"):
            self.loads.append(named.get("src") or named.get("href") or "")
        if named.get("id"):
            self.ids.append(named["id"] or "")
        if tag == "style" or "style" in named or any(name.startswith("on") for name in named):
            self.inline.append(tag)


def test_the_page_loads_nothing_but_what_is_served() -> None:
    folder = resources.files("fastcapa.monitor") / "page"
    served = {name for name, _ in PAGE.values()}
    assert served == {file.name for file in folder.iterdir()}
    page = _Names()
    page.feed((folder / "index.html").read_text())
    assert {name for name in page.loads if not name.startswith("data:")} <= served
    assert page.inline == []
    for name in served:
        text = (folder / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)(^|\s)// .*$", "", text).replace("<!doctype", ""), name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(|@import|url\(", text), name
        for module in re.findall(r'from "\./([^"]+)"', text):
            assert module in served
    script = (folder / "page.js").read_text()
    assert set(re.findall(r'byId\("([^"]+)"\)', script)) <= set(page.ids)
