"""Secrets in files and in the environment: how they are found, what is said of them, and what shows of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import probe
from support.capture_files import write_pcap

from fastcapa import guard, secret
from fastcapa.cli.main import build_parser
from fastcapa.config import CaptureConfig
from fastcapa.configuration.layers import Origins, resolve
from fastcapa.errors import UsageError
from fastcapa.kafka import library, properties
from fastcapa.kafka.secret_properties import held

SECRET = "hunter2"  # noqa: S105


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "_variables", {})
    monkeypatch.setattr(secret, "_pipes", {})


def understood(*arguments: str) -> tuple[CaptureConfig, Origins]:
    """What a command line means; broker, topic and source are there."""
    options = ("capture", "-i", "eth1", "-b", "b:1", "-t", "t", *arguments)
    parsed = vars(build_parser(options).parse_args(options))
    return resolve(parsed, parsed.get("config"))


def refusal(*arguments: str) -> str:
    with pytest.raises(UsageError) as error:
        understood(*arguments)
    text = str(error.value)
    assert SECRET not in text
    assert "\n" not in text
    return text


def file_with(directory: Path, content: str | bytes, name: str = "secret") -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def pipe(content: bytes | None) -> Iterator[str]:
    """The name of a pipe with something in it and nobody who goes on writing; of one that stays silent with None."""
    reader, writer = os.pipe()
    try:
        if content is not None:
            os.write(writer, content)
            os.close(writer)
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
        if content is None:
            os.close(writer)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" hunter 2=, \n\n", " hunter 2=, \n"),
        ("-----BEGIN\nx\n-----END\n", "-----BEGIN\nx\n-----END"),
        ("pässwörd\n", "pässwörd"),
        ("x" * secret.BYTES_MAX, "x" * secret.BYTES_MAX),
    ],
)
def test_a_file_holds_the_secret_and_no_newline_at_the_end(tmp_path: Path, content: str, expected: str) -> None:
    assert secret.from_file(str(file_with(tmp_path, content)), "x") == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("a\0b", "NUL"),
        (b"\xff\xfe", "UTF-8"),
        ("x" * (secret.BYTES_MAX + 1), "more than 64 KiB"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: str | bytes, words: str) -> None:
    path = file_with(tmp_path, content)
    text = refusal("-X", f"sasl.password.file={path}")
    assert text.startswith(f"-X: sasl.password.file {path}: ")
    assert words in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/none/such", "cannot read it: No such file"),
        ("/", "neither a regular file nor a pipe"),
        ("/dev/zero", "neither a regular file nor a pipe"),
    ],
)
def test_what_is_no_file(name: str, words: str) -> None:
    assert words in refusal("-X", f"ssl.key.password.file={name}")


def test_a_pipe_is_read_once_and_what_came_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "PIPE_S", 0.05)
    with pipe(b"") as name:
        assert "is empty" in refusal("-X", f"sasl.password.file={name}")
    with pipe(None) as name:
        assert "nothing came through this pipe within 0.05 s" in refusal("-X", f"sasl.password.file={name}")
    with pipe(b"hunter2\n") as name:
        for _ in range(3):
            assert secret.from_file(name, "x") == SECRET


def test_a_named_pipe_that_nobody_writes_into_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret, "PIPE_S", 0.05)
    os.mkfifo(tmp_path / "pipe")
    assert "nothing came" in refusal("-X", f"sasl.password.file={tmp_path}/pipe")


def test_a_variable_is_taken_out_of_the_environment_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FC_PASSWORD", SECRET)
    for _ in range(2):  # the second time as SIGHUP does it
        config, origins = understood("-X", "sasl.password.env=FC_PASSWORD")
        assert config.properties["sasl.password"] == SECRET
        assert origins.properties["sasl.password"] == "command line"
        assert "FC_PASSWORD" not in os.environ


def test_a_variable_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FC_PASSWORD", raising=False)
    assert "FC_PASSWORD: there is no such variable" in refusal("-X", "sasl.password.env=FC_PASSWORD")
    monkeypatch.setenv("FC_PASSWORD", "")
    assert "this variable is empty" in refusal("-X", "sasl.password.env=FC_PASSWORD")
    assert "is not the name of a variable" in refusal("-X", "sasl.password.env=a=b")
    monkeypatch.setenv("FC_PASSWORD", "\udcff")
    assert "no text in UTF-8" in refusal("-X", "sasl.password.env=FC_PASSWORD")


# One secret, three ways: the last layer wins, whichever way it is given; what is overridden is not even read.
def test_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = file_with(tmp_path, SECRET)
    monkeypatch.setenv("FC_PASSWORD", SECRET)
    ini = file_with(tmp_path, "[kafka-global]\nsasl.password.file = /none/such\n", "ini")
    toml = f'kafka-config = "{ini}"\n[properties]\nsasl.password.env = "FC_NONE"\n'
    config = file_with(tmp_path, toml, "tap.toml")
    for given in (f"sasl.password.file={right}", "sasl.password.env=FC_PASSWORD", f"sasl.password={SECRET}"):
        for below in (("--config", str(config)), ("-F", str(ini))):
            result, origins = understood(*below, "-X", given)
            assert result.properties["sasl.password"] == SECRET
            assert origins.properties["sasl.password"] == "command line"
            assert not any(key.endswith((".file", ".env")) for key in result.properties)
    assert refusal("--config", str(config)).startswith(f"{config}:3: sasl.password.env FC_NONE: there is no such")
    assert refusal("-F", str(ini)).startswith(f"{ini}:2: sasl.password.file /none/such: cannot read it")


def test_two_ways_in_one_place_are_refused(tmp_path: Path) -> None:
    right = file_with(tmp_path, SECRET)
    text = refusal("-X", f"sasl.password={SECRET}", "-X", f"sasl.password.file={right}")
    assert text == "-X: sasl.password.file: sasl.password is given there too; remove one of them"
    ini = file_with(tmp_path, f"sasl.password.file={right}\nsasl.password={SECRET}\n", "ini")
    assert "ini:2: sasl.password: sasl.password.file is given there too" in refusal("-F", str(ini))
    both = f'[properties]\n"sasl.password" = "{SECRET}"\n"sasl.password.file" = "{right}"\n'
    config = file_with(tmp_path, both, "a.toml")
    assert f"a.toml:3: sasl.password was given at {config}:2 already" in refusal("--config", str(config))
    dotted = f'[properties]\nsasl.password = "{SECRET}"\nsasl.password.file = "{right}"\n'
    assert "b.toml:3: " in refusal("--config", str(file_with(tmp_path, dotted, "b.toml")))


def test_only_secrets_can_be_somewhere_else(tmp_path: Path) -> None:
    for key in ("linger.ms.file", "sasl.username.env", "no.such.file"):
        text = refusal("-X", f"{key}=x")
        assert text.startswith(f"-X: {key}: only secrets can be in a file or a variable (sasl.")
        assert f"write {key.rpartition('.')[0]} with its value" in text
    config = file_with(tmp_path, '[properties]\nlinger.ms.file = "x"\n', "tap.toml")
    assert refusal("--config", str(config)).startswith(f"{config}:2: linger.ms.file: only secrets")
    # librdkafka has some of this name itself.
    config_, _ = understood("-X", "sasl.oauthbearer.assertion.file=/x")
    assert config_.properties["sasl.oauthbearer.assertion.file"] == "/x"


def test_check_prints_where_secrets_are_and_never_what_they_are(tmp_path: Path) -> None:
    write_pcap(tmp_path / "a.pcap", [])
    right = file_with(tmp_path, SECRET)
    ini = file_with(tmp_path, f"ssl.key.password = {SECRET}\n", "ini")
    toml = f'read = ["{tmp_path}/a.pcap"]\noversubscribe = true\n[properties]\nsasl.password.file = "{right}"\n'
    config = file_with(tmp_path, toml, "tap.toml")
    options = ["--config", str(config), "-F", str(ini), "-b", "127.0.0.1:1", "-t", "t", "--check"]
    run = probe.fastcapa(
        "capture", *options, "-X", "ssl.keystore.password.env=FC_KEYS", prefix=["env", f"FC_KEYS={SECRET}"]
    )
    assert (run.status, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert f'"sasl.password.file" = "{right}"  # {config}:4' in lines
    assert '"ssl.keystore.password.env" = "FC_KEYS"  # command line' in lines
    assert f'# "ssl.key.password" = "***"  # {ini}:1; not shown' in lines
    assert SECRET not in run.stdout


def warnings(*arguments: str) -> list[str]:
    return list(guard.warnings(understood(*arguments)[1].merged))


def test_what_others_can_read_is_said(tmp_path: Path) -> None:
    (line,) = warnings("-X", f"sasl.password={SECRET}")
    assert line.startswith("-X sasl.password=... is in the shell's history")
    assert "-X sasl.password.file=PATH" in line
    right = file_with(tmp_path, SECRET)
    ini = file_with(tmp_path, f"sasl.password={SECRET}\n", "ini")
    for mode, count in ((0o644, 1), (0o640, 0), (0o600, 0)):
        for path, given in ((right, ("-X", f"sasl.password.file={right}")), (ini, ("-F", str(ini)))):
            path.chmod(mode)
            with everybody_reaches(tmp_path):
                lines = warnings(*given)
            assert len(lines) == count, lines
            assert all(f"chmod o= {path}" in line and SECRET not in line for line in lines)
            assert warnings(*given) == []  # pytest's own directory is closed to all others


@contextmanager
def everybody_reaches(directory: Path) -> Iterator[None]:
    """Open the directories above to everybody, for so long."""
    closed = [path for path in (directory, *directory.parents) if not path.stat().st_mode & 0o001]
    modes = {path: path.stat().st_mode for path in closed}
    try:
        for path, mode in modes.items():
            path.chmod(mode | 0o001)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_what_makes_a_process_hold_a_secret() -> None:
    assert held({"sasl.password": "x"})
    assert held({"ssl.key.location": "x"})
    assert not held({"sasl.username": "x", "ssl.ca.location": "y"})


def test_a_secret_is_not_in_a_repr(tmp_path: Path) -> None:
    config, origins = understood(
        "-X", f"sasl.password.file={file_with(tmp_path, SECRET)}", "-X", f"ssl.key.pem={SECRET}"
    )
    assert config.properties["ssl.key.pem"] == SECRET
    assert SECRET not in repr((config, origins, properties.Property("a", SECRET, "b")))


def of_a_process(code: str, *arguments: str, **environment: str) -> bytes:
    """What a program prints that is started with these arguments and these variables besides ours."""
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=False, env=os.environ | environment
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_command_line_shows_no_secret() -> None:
    """For every way that argparse takes an option; the others stay what they were."""
    code = (
        "import sys; from fastcapa.cli import main; main._cover_secrets();"
        "sys.stdout.buffer.write(open('/proc/self/cmdline', 'rb').read())"
    )
    arguments = [
        "-X",
        f"sasl.password={SECRET}",
        "-Xssl.key.password = hunter2 hunter2",
        "-X=ssl.key.pem=hunter2\nhunter2",
    ]
    arguments += ["-X", "ssl.keystore.password=ä", "-X", "linger.ms=5", "-X", "sasl.password.file=/x", "tcp"]
    shown = of_a_process(code, *arguments)
    words = [
        "-X",
        "sasl.password=***",
        "-Xssl.key.password = ***",
        "-X=ssl.key.pem=***",
        "-X",
        "ssl.keystore.password=**",
    ]
    words += ["-X", "linger.ms=5", "-X", "sasl.password.file=/x", "tcp"]
    assert shown.rstrip(b"\0").split(b"\0")[3:] == [word.encode() for word in words]
    assert SECRET.encode() not in shown


def test_the_environment_of_the_start_is_without_what_was_taken() -> None:
    code = (
        "import os, subprocess, sys; from fastcapa import secret;"
        "assert secret.take_variable('FC_PASSWORD') == 'hunter2';"
        "sys.stdout.buffer.write(open('/proc/self/environ', 'rb').read() + subprocess.check_output(['env', '-0']))"
    )
    shown = of_a_process(code, FC_PASSWORD=SECRET, FC_PASSWORD_2="other")  # noqa: S106
    assert SECRET.encode() not in shown
    assert shown.count(b"FC_PASSWORD_2=other") == 2
    assert shown.count(b"FC_PASSWORD=") == 1  # its name is left, where the first environment was


def test_no_dumps() -> None:
    code = (
        "import ctypes, resource; from fastcapa.host import process; process.forbid_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    assert of_a_process(code) == b"(0, 0) 0\n"


SCRAM = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}


@pytest.mark.parametrize(
    ("properties_", "version", "warned"),
    [
        (SCRAM, "2.0.2", True),
        (SCRAM, "2.6.0", True),
        (SCRAM, "2.6.1", False),
        (SCRAM, "2.14.0-RC1", False),
        (SCRAM | {"sasl.mechanism": "PLAIN"}, "2.0.2", False),
        (SCRAM | {"security.protocol": "SSL"}, "2.0.2", False),
    ],
)
def test_scram_of_an_old_librdkafka_is_warned_of(properties_: dict[str, str], version: str, warned: bool) -> None:
    lines = list(library.warnings(properties_, f"DPDK 22.11.11, librdkafka {version}, libpcap version 1.10.3"))
    assert bool(lines) == warned
    assert all(f"SCRAM-SHA-512 of librdkafka {version}" in line for line in lines)
