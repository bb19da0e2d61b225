"""What is made from the code is what the code says now, and what it is for takes it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import documents
import jsonschema
import pytest
from support.need import need

from fastcapa.cli.main import SUBCOMMANDS
from fastcapa.configuration import keys
from fastcapa.configuration.toml_file import Entry
from fastcapa.errors import UsageError

ROOT = Path(__file__).parents[2]
PAGES = [f"packaging/man/{name}.1" for name in ("fastcapa", *(f"fastcapa-{name}" for name in SUBCOMMANDS))]
EXAMPLE = (ROOT / "packaging" / "fastcapa.toml").read_text()


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents.documents()


def test_all_of_it_is_current(made: dict[str, str]) -> None:
    assert set(PAGES) <= set(made)
    old = [path for path, text in made.items() if not (ROOT / path).is_file() or (ROOT / path).read_text() != text]
    assert not old, f"no longer what the code says: {old}; run `make generated`"


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft202012Validator:
    rules = json.loads((ROOT / "packaging" / "fastcapa.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(rules)
    return jsonschema.Draft202012Validator(rules)


def test_the_example_fulfils_the_schema(schema: jsonschema.Draft202012Validator) -> None:
    schema.validate(tomllib.loads(EXAMPLE))
    schema.validate(tomllib.loads(re.sub(r"^#(?=[a-z])", "", EXAMPLE, flags=re.MULTILINE)))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("snaplen = 0", True),
        ("snaplen = 262144", True),
        ("snaplen = 262145", False),
        ("snaplen = '96'", False),
        ("snaplen = true", False),
        ("duration = 3", True),
        ("duration = 0.5", True),
        ("duration = -1", False),
        ("tx-ring = 4096", True),
        ("tx-ring = 1000", False),
        ("tx_ring = 4096", False),
        ("no-headers = true", False),
        ("headers = 1", False),
        ("producer = 'direct'", True),
        ("producer = 'other'", False),
        ("interface = 'eth1'", False),
        ("interface = ['']", False),
        ("interface = ['eth1', 2]", False),
        ("lcores = '0-3'", True),
        ("lcores = 3", False),
        ("log-level = 'debug'", False),
        ("[properties]\nlinger.ms = 5\n'client.id' = 'x'\nenable.idempotence = true", True),
        ("[properties]\nx = [1]", False),
        ("[capture]\nsnaplen = 1", False),
    ],
)
def test_schema_and_probe_agree(
    schema: jsonschema.Draft202012Validator, tmp_path: Path, text: str, *, valid: bool
) -> None:
    from fastcapa.configuration.layers import resolve  # noqa: PLC0415 -- as the command line loads it

    file = tmp_path / "a.toml"
    head = "" if "interface" in text else 'interface = ["eth1"]\n'
    file.write_text(f'{head}topic = "t"\nbrokers = "b:1"\n{text}\n')
    assert schema.is_valid(tomllib.loads(file.read_text())) == valid
    try:
        resolve({}, str(file))
        taken = True
    except UsageError:
        taken = False
    assert taken == valid


def test_the_schema_has_every_key(schema: jsonschema.Draft202012Validator) -> None:
    properties: dict[str, Any] = schema.schema["properties"]  # type: ignore[index]
    assert set(properties) == {*keys.KEYS, keys.PROPERTIES}
    for key, rules in properties.items():
        assert rules["description"]
        if "default" in rules:
            assert keys.value(Entry((key,), rules["default"], 1), "x") == rules["default"]


def render(page: Path) -> subprocess.CompletedProcess[str]:
    need(shutil.which("man"), "no man; apt-get install man-db")
    return subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", str(page)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("page", PAGES)
def test_man_renders_each_page_without_a_warning(page: str) -> None:
    result = render(ROOT / page)
    assert (result.returncode, result.stderr) == (0, "")
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"):
        assert f"\n{section}\n" in result.stdout
    assert all(len(line) <= 120 for line in result.stdout.splitlines())


def test_man_would_warn(tmp_path: Path) -> None:
    (tmp_path / "bad.1").write_text('.TH BAD 1 "" "" ""\n.SH NAME\nbad \\- x\n.nosuchmacro\n')
    assert "nosuchmacro" in render(tmp_path / "bad.1").stderr


def test_examples_stand_as_they_are_typed() -> None:
    text = render(ROOT / "packaging/man/fastcapa-capture.1").stdout
    assert re.search(r"^ +fastcapa capture -i eth1 -b broker:9092 -t pcap$", text, re.MULTILINE), text


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    script = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
_shtab_fastcapa "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
    file = ROOT / "packaging" / "completions" / "fastcapa.bash"
    result = subprocess.run(
        ["bash", "-c", script, "bash", str(file), *words], capture_output=True, text=True, timeout=30, check=True
    )
    return result.stdout.split()


def test_bash_completes() -> None:
    assert set(completed("fastcapa", "ca")) == {"capture"}
    assert {"--tx-ring", "--tx-workers", "--tx-burst"} <= set(completed("fastcapa", "capture", "--tx"))
    assert set(completed("fastcapa", "capture", "--producer", "")) == {"auto", "direct", "librdkafka"}
    assert set(completed("fastcapa", "capture", "-i", "lo")) >= {"lo"}


def test_zsh_takes_its_completion() -> None:
    need(shutil.which("zsh"), "no zsh; apt-get install zsh")
    directory = ROOT / "packaging" / "completions"
    script = "fpath=($1 $fpath); autoload -Uz compinit; compinit -D -u; autoload +X _fastcapa; print $_comps[fastcapa]"
    result = subprocess.run(
        ["zsh", "-f", "-c", script, "zsh", str(directory)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout.strip(), result.stderr) == (0, "_fastcapa", "")


def test_the_package_brings_its_pages_and_completion() -> None:
    share = Path(sys.prefix) / "share"
    need((Path(sys.prefix) / "pyvenv.cfg").exists(), "the package is not installed in a virtual environment")
    for page in PAGES:
        assert (share / "man" / "man1" / Path(page).name).read_text().startswith(".TH FASTCAPA")
    for path in ("bash-completion/completions/fastcapa", "zsh/site-functions/_fastcapa", "fastcapa/fastcapa.toml"):
        assert (share / path).is_file()
