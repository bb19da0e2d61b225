"""The configuration file: what it takes, how it lies under the command line, and what is said of one that is wrong."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import probe
from support.capture_files import write_pcap

from fastcapa import resolved
from fastcapa.capture import check
from fastcapa.cli.main import build_parser
from fastcapa.config import CaptureConfig, SourceKind
from fastcapa.configuration import keys, toml_file
from fastcapa.configuration.layers import Origins, resolve
from fastcapa.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "packaging" / "fastcapa.toml"
MINIMAL = 'interface = ["eth1"]\nbrokers = "b:9092"\ntopic = "t"\n'


def write(directory: Path, text: str | bytes) -> str:
    path = directory / "tap.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def understood(*arguments: str, file: str | None = None) -> tuple[CaptureConfig, Origins]:
    """What a command line means."""
    options = ("capture", *(("--config", file) if file is not None else ()), *arguments)
    parsed = vars(build_parser(options).parse_args(options))
    return resolve(parsed, parsed.get("config"))


def test_every_option_of_the_command_line_is_a_key_and_no_other() -> None:
    parser = build_parser(["capture"])
    # The subcommand's own parser, as argparse keeps it.
    (capture,) = (a.choices["capture"] for a in parser._actions if isinstance(a.choices, dict))
    long = {flag[2:] for action in capture._actions for flag in action.option_strings if flag.startswith("--")}
    switched_off = {name for name in long if name.startswith("no-")}
    assert {name.removeprefix("no-") for name in switched_off} <= long
    assert long - switched_off - {"help", "config", "check"} == set(keys.KEYS) - {"filter"}


def test_the_file_says_what_the_command_line_says(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        'interface = ["eth1", "eth2"]\nread = ["a.pcap"]\nbrokers = "b:9092"\ntopic = "t"\nfilter = "udp port 53"\n'
        "snaplen = 96\npromiscuous-mode = false\nduration = 3\nheaders = true\nlcores = '2,4'\ntx-ring = 4096\n"
        '[properties]\nlinger.ms = 5\n"compression.type" = "lz4"\nenable.idempotence = true\n',
    )
    from_file, _ = understood(file=file)
    from_options, _ = understood(
        *shlex.split(
            "-i eth1 -i eth2 -r a.pcap -b b:9092 -t t -s 96 -p --duration 3 --headers --lcores 2,4 --tx-ring 4096"
        ),
        *shlex.split("-X linger.ms=5 -X compression.type=lz4 -X enable.idempotence=true udp port 53"),
    )
    assert from_file == from_options


def test_the_command_line_wins_option_by_option(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        MINIMAL + 'filter = "tcp"\nheaders = true\nsnaplen = 96\npromiscuous-mode = false\nreport = "-"\n',
    )
    config, origins = understood("-s", "128", "--no-headers", "--promiscuous-mode", "udp", "port", "53", file=file)
    assert (config.snaplen, config.headers, config.promiscuous, config.filter) == (128, False, True, "udp port 53")
    assert (config.report, config.topic) == ("-", "t")
    assert origins.option("snaplen") == origins.option("filter") == "command line"
    assert origins.option("topic") == f"{file}:3"
    assert origins.option("tx-ring") == "default"


def test_sources_of_the_command_line_replace_the_files(tmp_path: Path) -> None:
    file = write(tmp_path, MINIMAL + 'device = ["net_null0"]\n')
    both, _ = understood(file=file)
    assert [source.kind for source in both.sources] == [SourceKind.INTERFACE, SourceKind.DEVICE]
    one, origins = understood("-r", "a.pcap", file=file)
    assert [source.name for source in one.sources] == ["a.pcap"]
    assert origins.option("read") == "command line"
    assert origins.option("interface") == "default"


def test_properties_combine_key_by_key(tmp_path: Path) -> None:
    ini = tmp_path / "old.ini"
    ini.write_text(
        "[kafka-global]\nmetadata.broker.list = old:1\nlinger.ms = 1\n[kafka-topic]\nacks = all\nretries=9\n"
    )
    other = tmp_path / "other.ini"
    other.write_text("retries = 7\n")
    text = (
        f'interface = ["eth1"]\ntopic = "t"\nkafka-config = "{ini}"\n[properties]\nlinger.ms = 2\n"client.id" = "x"\n'
    )
    file = write(tmp_path, text)
    config, origins = understood(file=file)
    assert config.properties == {
        "bootstrap.servers": "old:1",
        "linger.ms": "2",
        "acks": "all",
        "client.id": "x",
        "retries": "9",
    }
    assert origins.properties["bootstrap.servers"] == f"{ini}:2"
    assert origins.properties["linger.ms"] == f"{file}:5"
    config, origins = understood("-X", "linger.ms=3", "-b", "new:2", "-F", str(other), file=file)
    assert config.properties == {"bootstrap.servers": "new:2", "linger.ms": "3", "client.id": "x", "retries": "7"}
    assert origins.properties["linger.ms"] == "command line"


def test_the_predecessors_ini_file_goes_on_working(tmp_path: Path) -> None:
    ini = tmp_path / "old.ini"
    ini.write_text("[kafka-global]\nmetadata.broker.list = old:1\n[kafka-topic]\ncompression.codec = lz4\n")
    config, _ = understood("-i", "eth1", "-t", "t", "-F", str(ini))
    assert config.properties == {"bootstrap.servers": "old:1", "compression.codec": "lz4"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("snaplen = 96\nsnap-len = 1\n", 2, "unknown key snap-len; did you mean snaplen?"),
        ("tx_ring = 1024\n", 1, "unknown key tx_ring; did you mean tx-ring?"),
        ("xyzzy = 1\n", 1, "unknown key xyzzy; `fastcapa capture --help` lists"),
        ("no-headers = true\n", 1, "write headers = false"),
        ("no-promiscuous-mode = true\n", 1, "write promiscuous-mode = false"),
        ("\n# x\nsnaplen = '96'\n", 3, 'snaplen = "96": a valid integer is wanted'),
        ("snaplen = true\n", 1, "snaplen = true: a valid integer is wanted"),
        ("snaplen = 262145\n", 1, "snaplen = 262145: input should be less than or equal to 262144"),
        ("tx-ring = 1000\n", 1, "tx-ring = 1000: a power of two is needed, such as 512 or 1024"),
        ("headers = 1\n", 1, "headers = 1: a valid boolean is wanted"),
        ("topic = 1\n", 1, "topic = 1: a valid string is wanted"),
        ("duration = nan\n", 1, "duration = nan: "),
        ("producer = 'other'\n", 1, "producer = \"other\": 'auto', 'direct' or 'librdkafka' is wanted"),
        ("interface = 'eth1'\n", 1, 'write interface = ["eth1"]'),
        ("read = [\n  'a',\n  1,\n]\n", 1, "a valid string is wanted"),
        ("topic = 1979-05-27\n", 1, "a valid string is wanted"),
        ("filter = [\n'''a\n'''\n]\nheaders = 2", 1, "filter = "),
        ("brokers = 'x:0'\n", 1, "broker 'x:0': '0' is not a port"),
        ("topic = 't'\nfilter = '''\n[#'''\ntopic = 'u'\n", 4, "topic was given in line 1 already"),
        ("[capture]\nsnaplen = 1\n", 2, "there is no table capture; write snaplen above all tables"),
        ("[properties]\nsnaplen = 1\n", 2, "snaplen is an option, no Kafka property; move it above [properties]"),
        ("[properties]\n'linger.ms' = 1\nlinger.ms = 2\n", 3, "linger.ms was given at"),
        ("[properties]\nx.y = [1]\n", 2, "x.y: a Kafka property is a string, a number, true or false"),
        ('[properties]\nsasl.password = "a\\u0000"\n', 2, "NUL"),
        ("properties = 1\n", 1, "is a table of Kafka properties"),
        ("linger.ms = 1\n", 1, "Kafka properties stand below [properties]"),
        ("[[interface]]\nname = 'eth1'\n", 1, "interface = "),
        ("a = 1\nb = \n", 2, "is not TOML: Invalid value"),
        ("a = 1\nb = 'x\n", 2, "is not TOML: "),
        ("a = " + "9" * 5000, 1, "is not TOML: "),
        ("a = 1\n[x\n", 2, "is not TOML: "),
        ("[properties]\n[properties]\n", 2, "is not TOML: "),
        ("a = '\0'", 1, "is not TOML: "),
        (b"topic = 't'\n# \xe9\n", 2, "byte 0xe9 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_key_and_remedy(
    tmp_path: Path, text: str | bytes, line: int, words: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(UsageError) as error:
        understood(
            "-i", "lo", *([] if "brokers" in words or "broker " in words else ["-b", "b:1"]), "-t", "t", file=file
        )
    message = str(error.value)
    assert message.startswith(f"{file}:{line}: "), message
    assert words in message
    assert "\n" not in message


def test_nesting_without_end_and_names_without_end(tmp_path: Path) -> None:
    for text in (
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 80_000,
        ".".join(["a"] * 100_000) + " = 1",
        ".".join(["a"] * 500) + " = 1",
    ):
        with pytest.raises(UsageError):
            understood("-i", "lo", "-b", "b:1", file=write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.toml", "No such file or directory; --config wants a readable TOML file"),
        (".", "Is a directory"),
        ("/dev/zero", "is a device"),
        ("huge.toml", "larger than 256 KiB"),
        ("a\0b", "cannot be the name of a file"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "huge.toml").write_bytes(b"# x\n" * (1 << 19))
    with pytest.raises(UsageError, match=words) as error:
        toml_file.read(os.path.join(tmp_path, name))  # noqa: PTH118 -- Path would not take them all
    assert "\n" not in str(error.value)


def test_an_unreadable_file_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    file = write(tmp_path, MINIMAL)
    prefix: list[str] = []
    if os.geteuid() == 0:  # who may read everything
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    Path(file).chmod(0)
    run = probe.fastcapa("capture", "--config", file, "--check", prefix=prefix)
    assert run.status == 2
    assert run.stderr == f"fastcapa: '{file}': Permission denied; --config wants a readable TOML file\n"


def test_a_later_check_names_the_line_too(tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    write_pcap(capture, [])
    head = f'read = ["{capture}"]\nbrokers = "127.0.0.1:1"\ntopic = "t"\noversubscribe = true\n'
    for text, words in (
        ('filter = "udp prot 53"', ":5: filter 'udp prot 53': "),
        ('report = "/none/x"', ":5: report = /none/x: there is no directory"),
        ('lcores = "0,8000"', ":5: "),
        ("[properties]\nno.such = 1", ":6: Kafka property 'no.such': No such configuration property"),
        ("[properties]\nacks = 1", ":6: Kafka property 'acks': 1 would allow gaps"),
        (
            "producer = 'direct'\n[properties]\ncompression.type = 'gzip'",
            ":7: producer = direct: Kafka property 'compression.type': gzip",
        ),
    ):
        file = write(tmp_path, head + text + "\n")
        run = probe.fastcapa("capture", "--config", file, "--check")
        assert run.status == 2, run.stderr
        assert run.stderr.startswith(f"fastcapa: {file}{words}"), run.stderr
        assert run.stderr.count("\n") == 1


def test_check_prints_a_configuration_file_with_the_origin_of_each_value(tmp_path: Path) -> None:
    capture = tmp_path / "a b.pcap"
    write_pcap(capture, [])
    file = write(
        tmp_path,
        f'topic = "t"\nread = ["{capture}"]\noversubscribe = true\nreport = "{tmp_path}/\\u007f\\U0001f600.json"\n'
        '[properties]\nsasl.password = "hunter2"\nsasl.username = "me"\n"client.id" = "a \\"b\\" # c"\n',
    )
    run = probe.fastcapa("capture", "--config", file, "-b", "127.0.0.1:1", "-s", "0", "--check", "udp")
    assert (run.status, run.stderr) == (0, ""), run.stderr
    lines = run.stdout.splitlines()
    for line in (
        f'read = ["{capture}"]  # {file}:2',
        "snaplen = 262144  # command line",
        'filter = "udp"  # command line',
        "tx-ring = 16384  # default",
        "# lcores is not set",
        f'"sasl.username" = "me"  # {file}:7',
        '"bootstrap.servers" = "127.0.0.1:1"  # command line',
        f'# "sasl.password" = "***"  # {file}:6; not shown',
    ):
        assert line in lines, run.stdout
    assert "hunter2" not in run.stdout
    assert any(line.startswith("# packet memory ") for line in lines)
    # It is a configuration file, and says the same.
    again = write(tmp_path, run.stdout)
    printed, _ = understood(file=again)
    meant, _ = understood("-b", "127.0.0.1:1", "-s", "0", "udp", file=write(tmp_path, Path(again).read_text()))
    assert printed == meant
    assert printed.properties["client.id"] == 'a "b" # c'
    assert printed.report == f"{tmp_path}/\x7f\U0001f600.json"


def test_what_check_prints_means_what_was_given(tmp_path: Path) -> None:
    options = shlex.split(
        "-i eth1 --device net_null0 -b b:1,c:2 -t t -X linger.ms=0.5 --headers -p --duration 1e-3 -c 5"
    )
    config, origins = understood(*options, "--lcores", "0-3,5", "udp", "or", "ether[0] & 1 != 0")
    file = write(tmp_path, "\n".join(resolved.lines(config, origins)))
    again, from_file = understood(file=file)
    assert again == config
    assert set(from_file.options.values()) <= {f"{file}:{line}" for line in range(1, 100)}


def test_the_example_is_what_the_probe_takes() -> None:
    config, origins = understood(file=str(EXAMPLE))
    assert config == understood("-i", "eth1", "-b", "broker:9092", "-t", "pcap")[0]
    assert set(origins.options) == {"interface", "brokers", "topic"}


def switched_on(text: str) -> str:
    """The example with every key that is commented out: `#key = value`, while words begin with `# `."""
    return re.sub(r"^#(?=[a-z])", "", text, flags=re.MULTILINE)


def test_the_example_shows_every_option_with_its_default(tmp_path: Path) -> None:
    text = switched_on(EXAMPLE.read_text())
    values = tomllib.loads(text)
    assert set(values) == {*keys.KEYS, keys.PROPERTIES}
    fields = CaptureConfig.model_fields
    defaults = {key: fields[field].get_default() for key, field in keys.OPTIONS.items() if key != "topic"}
    assert {key: values[key] for key, default in defaults.items() if default is not None} == {
        key: default for key, default in defaults.items() if default is not None
    }
    # All of it at once is still a configuration, but for the files of properties and of a password: they are not there.
    there = re.sub(r"^(kafka-config|sasl\.password\.file) = ", r"#\1 = ", text, flags=re.MULTILINE)
    assert there.count("\n#") == text.count("\n#") + 2
    config, _ = understood(file=write(tmp_path, there))
    check(config)


KEY = st.text("abc-_09", min_size=1, max_size=4)
SCALAR = (
    st.integers(-5, 5).map(str)
    | st.booleans().map(lambda b: str(b).lower())
    | st.text('ab#[]{}=\\"', max_size=6).map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"')
    | st.text('ab#[]{}="', max_size=6).map(lambda t: f"'{t}'")
    | st.text("ab#[]{}='\n\"", max_size=8).map(lambda t: '"""' + t.replace('"', '\\"') + '"""')
    | st.text('ab#[]{}=\n"', max_size=8).map(lambda t: f"'''{t}'''")
)
VALUE = SCALAR | st.lists(SCALAR, max_size=3).map(lambda items: "[ # [\n" + ",\n # ]\n".join(items) + "\n]")


@given(st.dictionaries(KEY, VALUE, max_size=5), st.dictionaries(KEY, VALUE, max_size=5))
def test_lines_are_those_of_any_file(above: dict[str, Any], below: dict[str, Any]) -> None:
    text, expected = "# first [\n\n", {}
    for table, values in (((), above), (("a table",), below)):
        text += "['a table'] # [\n" if table else ""
        for key, value in values.items():
            expected[(*table, key)] = text.count("\n") + 1
            text += f"{key} = {value} # ' \"\n"
    whole = tomllib.loads(text)
    entries = list(toml_file._entries(text))
    assert {entry.path: entry.line for entry in entries} == expected
    for entry in entries:
        found: Any = whole
        for key in entry.path:
            found = found[key]
        assert entry.value == found
