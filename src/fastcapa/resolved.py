"""The configuration as it was understood, as a configuration file, with every default and where each value is from."""

import json
from collections.abc import Iterator

from fastcapa.config import CaptureConfig
from fastcapa.configuration import keys
from fastcapa.configuration.layers import Origins
from fastcapa.errors import printable
from fastcapa.kafka.secret_properties import is_shown


def lines(config: CaptureConfig, origins: Origins) -> Iterator[str]:
    """Yield a line of TOML for each option under its name on the command line, then the Kafka properties.

    What is not set, and secrets in clear, are comments; of a secret in a file or a variable that is shown.
    """
    for key, kind in keys.SOURCES.items():
        names = [source.name for source in config.sources if source.kind is kind]
        if names:
            yield _line(key, names, origins.option(key))
    if origins.kafka_config is not None:
        yield _line("kafka-config", origins.kafka_config, origins.option("kafka-config"))
    for key, field in keys.OPTIONS.items():
        value = getattr(config, field)
        yield f"# {key} is not set" if value is None else _line(key, value, origins.option(key))
    yield f"[{keys.PROPERTIES}]"
    for each in sorted(origins.merged, key=lambda each: each.key):
        key, value = each.elsewhere or (each.key, each.value)
        if each.elsewhere or is_shown(each.key):
            yield _line(_toml(key), value, each.place)
        else:
            yield f'# {_toml(key)} = "***"  # {printable(each.place)}; not shown'


def _line(key: str, value: object, origin: str) -> str:
    # The name of a file may hold what ends a comment, or what TOML forbids in one.
    return f"{key} = {_toml(value)}  # {printable(origin)}"


def _toml(value: object) -> str:
    """Return a value in TOML, which is JSON's notation but for characters beyond 16 bits, and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
