"""What a user, a script or a file may give as words: whatever it is, one line and exit code 2, or it is taken."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fastcapa import cpu_list, devargs
from fastcapa._pcap import Filter
from fastcapa.capture import check
from fastcapa.cli.main import main
from fastcapa.config import CaptureConfig, validate
from fastcapa.errors import Exit, UsageError
from fastcapa.kafka import properties
from fastcapa.read import offsets

EXAMPLES = settings(max_examples=300, deadline=None)
FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Any characters, with those that cannot be encoded, and what other programs' grammars are made of.
text = st.text(st.characters(), max_size=60)
_FILTER = "host net port src dst ip ip6 tcp udp vlan mpls and or not ( ) [ ] : / & | = > 10.0.0.1 fd00::1 80 0xffffffff"
filters = st.lists(st.sampled_from(_FILTER.split()) | text, max_size=12).map(" ".join)
keys = st.sampled_from(
    ["bootstrap.servers", "linger.ms", "sasl.password", "security.protocol", "error_cb", "group.id", "acks", "debug"]
)
values = st.sampled_from(["0", "-1", "1e9", "true", "9" * 30, "PLAINTEXT", "a:1,b:2", "", "[::1]:9", "\u00b2"]) | text
_OPTIONS = "-i -r --device -b -t -X -F -s -c --tx-ring --rx-queues --lcores --duration --report --producer --headers"
_ARGUMENTS = "-- lo 0 -1 1 1e3 9999999999999999999 nan inf 2,4-7 3-1 linger.ms=5 -h"
words = st.lists(st.sampled_from(f"{_OPTIONS} {_ARGUMENTS}".split()) | text, max_size=8)


def load(brokers: str | None, file: Path | None, overrides: list[str]) -> dict[str, str]:
    """What a command line comes to."""
    given = properties.given(brokers, file, overrides)
    return {each.key: each.value for each in properties.merge(given)}


def one_line(error: Exception) -> None:
    assert str(error)
    assert str(error).isprintable()


def config_of(**changes: Any) -> CaptureConfig:
    return validate({"sources": [{"kind": "read", "name": "a"}], "topic": "t", "properties": {}, **changes})


@EXAMPLES
@given(filters)
@example("tcp\0port 1")  # from a configuration file
def test_filters(expression: str) -> None:
    try:
        check(config_of(filter=expression))
    except UsageError as error:
        return one_line(error)
    if expression:
        Filter(expression).matches(bytes(60))  # `read` takes it, too
    return None


@EXAMPLES
@given(keys | text, values)
def test_properties(key: str, value: str) -> None:
    try:
        check(config_of(properties=load("b:9092", None, [f"{key}={value}"])))
    except UsageError as error:
        one_line(error)


@FEW
@given(
    st.binary(max_size=200) | st.lists(text, max_size=6).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))
)
def test_property_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kafka.properties"
    path.write_bytes(content)
    try:
        assert load("b:9092", path, [])["bootstrap.servers"] == "b:9092"
    except UsageError as error:
        one_line(error)


@EXAMPLES
@given(text, st.sampled_from(sorted(CaptureConfig.model_fields)), st.none() | st.integers() | st.floats() | text)
def test_configurations(name: str, option: str, value: object) -> None:
    try:
        config = config_of(**{"sources": [{"kind": "read", "name": name}], option: value})
    except UsageError as error:
        return one_line(error)
    assert CaptureConfig.model_validate(config.model_dump()) == config
    return None


@EXAMPLES
@given(st.lists(text | st.sampled_from(["s@1", "e@5", "-3", "beginning", "end", "s@", "-", "\u0663"]), max_size=3))
def test_offsets(options: list[str]) -> None:
    try:
        span = offsets.parse(options)
    except UsageError as error:
        return one_line(error)
    for first, behind in offsets.resolve(span, {0: (0, 2**63 - 1)}, lambda ms: {0: ms}).values():
        assert first >= 0
        assert 0 <= behind < 2**63
    return None


@EXAMPLES
@given(text | st.sampled_from(["0000:3b:00.0", "pci:af:00.0,x=1", "net_null0,size=64", "0000:3b:00.9"]))
def test_devargs_and_cpu_lists(said: str) -> None:
    assert devargs.name(said) or not said.partition(",")[0]
    if devargs.is_pci(said):
        assert devargs.is_pci(devargs.name(said))
    try:
        assert cpu_list.parse(said)
    except ValueError as error:
        one_line(error)


@EXAMPLES
@given(st.sampled_from(["capture", "read", "devices", "doctor"]) | text, words)
def test_command_lines(command: str, arguments: list[str]) -> None:
    # Nothing is started: either something is wrong, or --check says what would be.
    if command in ("read", "devices", "doctor"):
        arguments = [*arguments, "--no-such-option"]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main([command, *arguments, "--check"])
        except SystemExit as end:
            status = int(end.code or 0)
    assert status in (Exit.DONE, Exit.BAD_USAGE)
    if status == Exit.BAD_USAGE:
        (line,) = errors.getvalue().splitlines()
        assert line.startswith("fastcapa: ")
