"""Where metrics are served, who may read them, and what is wrong with that before anything starts."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.snapshots import config, losing, monitor

from fastcapa import listen_address, secret
from fastcapa.config import CaptureConfig
from fastcapa.errors import UsageError
from fastcapa.monitor.serve import TOKEN_VARIABLE, check_metrics, serve


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    monkeypatch.setattr(secret, "_variables", {})  # what a variable had is kept for the life of the process


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        (":9464", "127.0.0.1", 9464),
        ("9464", "127.0.0.1", 9464),
        ("[::1]:1", "::1", 1),
        ("probe.example:0", "probe.example", 0),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    address = listen_address.parse(text)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"metrics": ""}, "give HOST:PORT, such as"),
        ({"metrics": "localhost"}, "give HOST:PORT, such as"),
        ({"metrics": "localhost:http"}, "give HOST:PORT, such as"),
        ({"metrics": "localhost:65536"}, "a port is a number up to 65535"),
        ({"metrics": "::1:9464"}, "an IPv6 address is written in brackets"),
        ({"metrics_token_file": "x"}, "--metrics-token-file is of no use without --metrics"),
        ({"metrics": ":0", "metrics_key": "x"}, "--metrics-key needs --metrics-certificate"),
        ({"stats": "often"}, "--stats often: "),
        ({"stats_interval": 0.1}, "--stats-interval 0.1: "),
    ],
)
def test_options_that_cannot_be(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        config(**values)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def refused(made: CaptureConfig, *words: str) -> None:
    """Both refuse it, in one line with these words."""
    for use in (check_metrics, lambda c: serve(c, monitor()).__enter__()):
        with pytest.raises(UsageError) as error:
            use(made)
        assert all(word in str(error.value) for word in words), error.value
        assert "\n" not in str(error.value)


def test_an_address_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused(config(metrics=f":{port}"), f"--metrics :{port}: Address already in use", "another port")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "x" * 300])
def test_an_address_of_another_host_or_none(host: str) -> None:
    refused(config(metrics=f"{host}:9464"), f"--metrics {host}:9464: ", "an address of this host")


@pytest.mark.parametrize("content", [b" ", b"short", b"two words of some length", b"caf\xc3\xa9" * 8, b"x" * 5000])
def test_a_token_that_cannot_be_sent_or_is_easily_guessed(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    refused(config(metrics=":0", metrics_token_file=str(file)), "--metrics-token-file", "openssl rand -hex 32")


def test_a_token_file_that_is_empty_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    refused(config(metrics=":0", metrics_token_file=str(tmp_path / "empty")), "--metrics-token-file", "is empty")
    refused(config(metrics=":0", metrics_token_file=str(tmp_path / "no")), "cannot read it", "No such file")


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_a_certificate_that_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "certificate.pem"
    file.write_text(content)
    refused(config(metrics=":0", metrics_certificate=str(file)), str(file), "in PEM")
    refused(config(metrics=":0", metrics_certificate=str(tmp_path / "no")), "No such file")


def ask(port: int, *headers: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        lines = ["GET /metrics HTTP/1.1", f"Host: localhost:{port}", "Connection: close", *headers, "", ""]
        client.sendall("\r\n".join(lines).encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def _from_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    path.write_text("a-token-of-some-length\n")
    return {"metrics_token_file": str(path)}


def _from_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv(TOKEN_VARIABLE, "a-token-of-some-length")
    return {}


@pytest.mark.parametrize("give", [_from_file, _from_environment])
def test_the_token_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    give: Callable[[Path, pytest.MonkeyPatch], dict[str, Any]],
) -> None:
    made = config(metrics=":0", **give(tmp_path / "token", monkeypatch))
    with serve(made, monitor(losing(1))) as lines:
        port = int(lines[0].rpartition(":")[2].strip("/"))
        assert lines == [f"status page and metrics at http://127.0.0.1:{port}/"]
        assert b" 401 " in ask(port)
        assert b"fastcapa_rx_in_total" in ask(port, "Authorization: Bearer a-token-of-some-length")


def test_what_everybody_can_read_is_said() -> None:
    with serve(config(metrics="0.0.0.0:0"), monitor()) as lines:
        assert "everybody who reaches that address can read them" in lines[1]


def test_nothing_is_served_unless_asked_for() -> None:
    with serve(config(), monitor()) as lines:
        assert lines == []
