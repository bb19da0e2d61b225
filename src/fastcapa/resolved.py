"""The configuration as it was understood, as a configuration file, with every default and where each value is from."""

import json
import re
from collections.abc import Iterator

from fastcapa.config import CaptureConfig
from fastcapa.configuration import keys
from fastcapa.configuration.layers import Origins

# Of librdkafka's properties: what they hold is not for a terminal or a ticket.
_SECRET = re.compile(r"password|secret|\.pem$|oauthbearer\.config|jaas")


def lines(config: CaptureConfig, origins: Origins) -> Iterator[str]:
    """Yield a line of TOML for each option under its name on the command line, then the Kafka properties.

    What is not set, and the values of secrets, are comments.
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
    for name, value in sorted(config.properties.items()):
        quoted, origin = _toml(name), origins.properties[name]
        if _SECRET.search(name):
            yield f'# {quoted} = "***"  # {origin}; not shown'
        else:
            yield _line(quoted, value, origin)


def _line(key: str, value: object, origin: str) -> str:
    return f"{key} = {_toml(value)}  # {_comment(origin)}"


def _toml(value: object) -> str:
    """Return a value in TOML, which is JSON's notation but for characters beyond 16 bits, and DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(origin: str) -> str:
    # The name of a file may hold what ends a comment, or what TOML forbids in one.
    return "".join(character if character.isprintable() else "?" for character in origin)
