"""The status page in a browser, while a Kafka that is too slow makes the ring overflow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import pytest
from support import probe
from support.chromium import Page, chromium
from support.load import Load
from support.netns import Namespace, namespace
from support.scripted_broker import Produce, Reply, Script, ScriptedBroker

PORT = 9464  # in a namespace of its own
TOKEN = "a-token-of-some-length"  # noqa: S105


class Slow(Script):
    delay_s = 0.2

    def reply(self, request: Produce, response: bytes) -> Reply:
        time.sleep(self.delay_s)
        return Reply(response)


@dataclass(frozen=True)
class Overload:
    """A probe that loses packets, and what it says of that."""

    inside: Namespace
    directory: Path
    url: str = f"http://127.0.0.1:{PORT}/"

    def browser(self, profile: str) -> Iterator[Page]:
        directory = self.directory / profile
        directory.mkdir()
        with chromium(directory, prefix=self.inside.prefix) as page:
            yield page


@pytest.fixture(scope="module")
def overload(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overload]:
    directory = tmp_path_factory.mktemp("page")
    token = directory / "token"
    token.write_text(TOKEN)
    with namespace() as inside:
        with inside.entered():
            broker = ScriptedBroker(script=(slow := Slow()))
            broker.__enter__()
        small = ("--tx-ring", "64", "--buffer-memory", "2", "-X", "batch.size=16384", "--drain-timeout", "60")
        source = ("-b", broker.bootstrap, "-t", "t", "-i", inside.capture, "--oversubscribe")
        served = ("--metrics", f":{PORT}", "--metrics-token-file", str(token))
        process = probe.start("capture", *source, *small, *served, prefix=inside.prefix)
        try:
            probe.wait_for_line(process, "timestamps of")
            with Load(inside, rate=3000, sizes=(400,)):
                yield Overload(inside, directory)
            slow.delay_s = 0  # nobody has to wait for the drain
            process.send_signal(SIGTERM)
        except BaseException:
            process.kill()
            raise
        finally:
            run = probe.finish(process)
            broker.__exit__()
    assert run.status == 0, run.stderr


@pytest.fixture(scope="module")
def page(overload: Overload) -> Iterator[Page]:
    """The page, after its token was given."""
    browser = overload.browser("profile")
    page = next(browser)
    page.look(1280, 900)
    page.open(overload.url)
    page.wait_for("!document.getElementById('login').hidden")
    assert page.evaluate("document.querySelectorAll('#picture svg').length") == 0
    # As a person does: the form's own submit, which must not send the token anywhere but in a header.
    page.evaluate(f"document.getElementById('token').value = '{TOKEN}'")
    page.evaluate("document.querySelector('#login button').click()")
    page.wait_for("document.querySelectorAll('#picture svg').length")
    refusals = [text for text in page.problems if "401" not in text]
    page.problems.clear()
    yield page
    assert refusals + page.problems == []
    next(browser, None)


def test_the_bottleneck_is_named_where_it_is(page: Page) -> None:
    page.wait_for("document.querySelector('.finding.loss')?.textContent.includes('Kafka does not keep up')")
    picture = page.evaluate("document.getElementById('picture').textContent")
    for text in ("Source", "Rx workers", "Tx rings", "Tx workers", "Kafka", "bottleneck", "ring full \N{MINUS SIGN}"):
        assert text in picture, picture
    # The tag stands at the box of Kafka, which is the last one; what is lost, under the ring.
    middle = "(e => { const r = e.getBoundingClientRect(); return r.left + r.width / 2 })"
    of = "(text => [...document.querySelectorAll('#picture text')].find(e => e.textContent.startsWith(text)))"
    assert page.evaluate(f"Math.abs({middle}({of}('bottleneck')) - {middle}({of}('Kafka'))) < 140")
    assert page.evaluate(f"Math.abs({middle}({of}('ring full \N{MINUS SIGN}')) - {middle}({of}('Tx rings'))) < 140")
    rows = page.evaluate("document.querySelectorAll('#brokers tbody tr').length")
    assert rows == 1
    assert page.evaluate("document.querySelectorAll('.plot path').length") >= 8


def test_it_moves_on_by_itself(page: Page) -> None:
    before = page.evaluate("document.getElementById('clock').textContent")
    page.wait_for(f"document.getElementById('clock').textContent !== '{before}'")
    page.wait_for("document.querySelector('.plot path').getAttribute('d').split('L').length > 3")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 860, 1600])
def test_it_fits_and_can_be_read(page: Page, overload: Overload, width: int, dark: bool) -> None:
    page.look(width, 900, dark=dark)
    page.wait_for(f"document.documentElement.clientWidth === {width}")
    page.wait_for(
        f"(document.querySelector('#picture svg').viewBox.baseVal.width > 600) === {str(width > 860).lower()}"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Text and what is behind it are far enough apart (WCAG's 4.5) for each kind of text.
    ratios = page.evaluate(_CONTRASTS)
    assert len(ratios) > 5
    assert min(ratios.values()) >= 4.5, ratios
    page.screenshot(overload.directory / f"{width}-{'dark' if dark else 'light'}.png")
    assert (overload.directory / f"{width}-{'dark' if dark else 'light'}.png").stat().st_size > 10_000


def test_nothing_is_asked_of_anybody_else(page: Page, overload: Overload) -> None:
    urls = {url for url in page.urls if not url.startswith("data:")} - {"about:blank"}
    assert urls
    assert all(url.startswith(overload.url) for url in urls), urls
    assert TOKEN not in " ".join(page.urls)
    assert page.evaluate("fetch('http://127.0.0.2:1/').then(() => 'sent', () => 'refused')") == "refused"
    assert any("Content Security Policy" in text for text in page.problems), page.problems
    page.problems.clear()


_CONTRASTS = """
(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  const names = ["h1", "#about", ".badge", ".finding strong", ".total b", ".total.loss b", ".total small", "h2",
    ".legend li span", ".legend b", "th", "td", "#picture .name", "#picture .quiet", "#picture .lost",
    ".plot text", "a"];
  for (const name of names) {
    const element = document.querySelector(name);
    if (!element) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
    found[name] = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  }
  return found;
})()
"""
