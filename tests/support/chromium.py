"""Chromium without a window, driven over its DevTools protocol (a pipe, JSON messages with NUL behind each)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.need import need

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_START_S = 60.0
_ANSWER_S = 60.0


@dataclass
class Page:
    """A tab. What it asked the network for and what it complained about is kept."""

    _to: int
    _from: int
    urls: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Uncaught errors, errors of the console, violations of the Content-Security-Policy."""
    _session: str = ""
    _number: int = 0
    _received: bytes = b""

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._call("Page.navigate", url=url)
        self.wait_for(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait_for(self, expression: str, timeout: float = 60) -> Any:
        """Evaluate it until it is true; its value then."""
        deadline = time.monotonic() + timeout
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f"{expression}: not within {timeout} s; {self.problems}"
            time.sleep(0.1)
        return value

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a window of that size, for somebody who prefers light or dark."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what the window shows as PNG, or the whole page."""
        data = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def begin(self) -> None:
        """Attach to the tab that there is, and listen."""
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _ANSWER_S
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "Chromium has ended"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        method, what = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.urls.append(what["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(what["exceptionDetails"].get("exception", what["exceptionDetails"])))
        elif method == "Log.entryAdded" and what["entry"]["level"] == "error":
            self.problems.append(f"{what['entry']['text']} {what['entry'].get('url', '')}")


@contextmanager
def chromium(profile: Path, *, prefix: Sequence[str] = ()) -> Iterator[Page]:
    """A browser with an empty profile in that directory, and its one tab; `prefix` stands before the command."""
    program = shutil.which("chromium")
    need(program, "no Chromium; apt-get install chromium")
    assert program is not None
    theirs_in, to = os.pipe()
    back, theirs_out = os.pipe()

    # The protocol is on descriptors 3 and 4.
    place = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash"]
    with (profile / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [*place, *prefix, program, *_FLAGS, f"--user-data-dir={profile / 'data'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(theirs_in, theirs_out),
            start_new_session=True,
        )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        page = Page(to, back)
        _begin(page)
        yield page
    finally:
        os.close(to)  # at which it ends
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(back)
        shutil.rmtree(profile / "data", ignore_errors=True)


def _begin(page: Page) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        with contextlib.suppress(StopIteration):  # no tab yet
            return page.begin()
        assert time.monotonic() < deadline, "Chromium has no tab"
        time.sleep(0.1)
