"""A capture on lo, and every place where a secret that it was given could show."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGABRT, SIGHUP, SIGTERM

from prometheus_client.parser import text_string_to_metric_families

from support.live import Live, wait_until
from support.probe import Report, command
from support.scrape import get

PAGES = ("", "page.js", "metrics", "status.json", "history.json", "healthz", "readyz")


@dataclass
class Probe:
    """One that runs, in a directory where the kernel would leave core dumps."""

    live: Live
    directory: Path
    words: list[str]
    receiver: socket.socket
    hang_ups: int = 0

    @classmethod
    def begin(cls, directory: Path, receiver: socket.socket, words: list[str], variables: dict[str, str]) -> Probe:
        """Start it and wait until it receives."""
        here = directory / "here"
        here.mkdir()
        _assert_that_cores_are_seen(here)
        words = ["-i", "lo", "--oversubscribe", *words]
        filter_ = ["udp", "dst", "port", str(receiver.getsockname()[1])]
        variable_words = [f"{key}={value}" for key, value in variables.items()]
        report = here / "report.json"
        options = ["--metrics", ":0", "--report", str(report), *words, *filter_]
        with (here / "stdout").open("wb") as stdout, (here / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                ["env", "-C", str(here), *variable_words, "prlimit", "--core=unlimited", *command("capture", *options)],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                text=True,
            )
        probe = cls(Live(process, report), here, words, receiver)
        try:
            probe._wait_for("timestamps of")
        except BaseException:
            process.kill()
            process.wait()
            raise
        return probe

    def stderr(self) -> str:
        return (self.directory / "stderr").read_text()

    def _wait_for(self, words: str, count: int = 1) -> None:
        def said() -> bool:
            assert self.live.process.poll() is None, self.stderr()
            return self.stderr().count(words) >= count

        wait_until(said)

    def _url(self) -> str:
        found = re.search(r"http://[0-9.:]+/", self.stderr())
        assert found is not None
        return found[0]

    def places(self, token: str, of: str = "the first engine") -> dict[str, bytes]:
        """What others can see of the processes while they run, by the name of the place."""
        seen = {}
        for name, pid in (("supervisor", self.live.process.pid), (of, self.live.engine)):
            for file in ("cmdline", "environ", "status", "limits"):
                seen[f"{name}: {file}"] = Path(f"/proc/{pid}/{file}").read_bytes()
            assert re.search(rb"Max core file size +0 +0 ", seen[f"{name}: limits"])
            # That we looked at the right processes.
            assert b"fastcapa" in seen[f"{name}: cmdline"]
            assert b"PATH=" in seen[f"{name}: environ"]
        for page in PAGES:
            code, seen[f"/{page}, {of}"] = get(self._url() + page, token=token)
            assert code == 200, seen
        assert get(self._url() + "metrics")[0] == 401
        return seen

    def metric(self, name: str, token: str) -> float:
        """The sum of a metric's samples."""
        _, text = get(self._url() + "metrics", token=token)
        samples = [s for family in text_string_to_metric_families(text.decode()) for s in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)

    def send(self, numbers: range) -> None:
        """Send frames that carry their number, as support.numbered's do."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in numbers:
                sender.sendto(number.to_bytes(8) + bytes(10), self.receiver.getsockname())

    def hang_up(self) -> None:
        """Have it read its configuration again, with what it knows of variables that are gone."""
        self.live.signal(SIGHUP)
        self._wait_for("configuration read again: ")

    def abort_engine(self) -> None:
        """Kill the engine as one that finds a defect does, and wait for the next."""
        subprocess.run(["kill", f"-{SIGABRT.value}", str(self.live.engine)], check=True)
        self._wait_for("was killed by SIGABRT")
        self._wait_for("a new engine runs")

    def stop(self) -> Report:
        """Ask it to drain; its report."""
        self.live.signal(SIGTERM)
        assert self.live.process.wait(60) == 0, self.stderr()
        return self.live.raw_report()

    def written(self) -> dict[str, bytes]:
        """What it has left behind."""
        written = {"report": self.live.path.read_bytes(), "standard error": self.stderr().encode()}
        if "--log-format" in self.words:
            lines = [line for line in self.stderr().splitlines() if line.startswith("{")]
            assert all(json.loads(line)["message"] for line in lines)
        return written | {"standard output": (self.directory / "stdout").read_bytes()}

    def check(self, **variables: str) -> bytes:
        """What --check of the same prints."""
        words = command("capture", "--metrics", ":0", *self.words, "--check")
        given = [f"{key}={value}" for key, value in variables.items()]
        run = subprocess.run(["env", *given, *words], capture_output=True, check=True, stdin=subprocess.DEVNULL)
        return run.stdout + run.stderr


def _assert_that_cores_are_seen(directory: Path) -> None:
    """Where the kernel writes core dumps as files, one of ours would be in this directory."""
    if Path("/proc/sys/kernel/core_pattern").read_text()[0] in "|/":
        return  # it would be elsewhere; the limit of each process is looked at all the same
    aborted = ["env", "-C", str(directory), "prlimit", "--core=unlimited", "sh", "-c", "kill -ABRT $$"]
    subprocess.run(aborted, check=False, stderr=subprocess.DEVNULL)
    cores = list(directory.glob("core*"))
    assert cores
    for core in cores:
        core.unlink()


@contextmanager
def running(directory: Path, *words: str, **variables: str) -> Iterator[Probe]:
    """A capture with these options, started with these variables; ended with the context."""
    assert shutil.which("prlimit"), "of util-linux, which every Debian has"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        probe = Probe.begin(directory, receiver, list(words), variables)
        try:
            yield probe
        finally:
            if probe.live.process.poll() is None:
                probe.live.process.kill()
                probe.live.process.wait()
