"""SIGHUP: the configuration is read again, and what can change without a restart changes; lines say which.

The format and the level of the log change at once, here. Filter and snaplen are the data plane's, which turns to them
between two bursts. The credentials of the direct producer are the engine's: it reads certificates and keys again, makes
new connections with them, and replaces those that are there.
"""

from collections.abc import Callable, Iterator
from typing import Any

from fastcapa.capture import check, choose_producer
from fastcapa.config import CaptureConfig
from fastcapa.configuration import keys
from fastcapa.configuration.layers import Origins
from fastcapa.errors import UsageError
from fastcapa.kafka.direct import CREDENTIALS, direct_settings
from fastcapa.log import Level, Logger

_AT_ONCE = ("log_format", "log_level")
_RULES = ("filter", "snaplen")


class Reload:
    """Reads the configuration again, as often as it is called."""

    def __init__(
        self,
        config: CaptureConfig,
        read: Callable[[], tuple[CaptureConfig, Origins]],
        log: Logger,
        done: Callable[[bool], None] = lambda _: None,
    ) -> None:
        """`config`: what runs. `read` returns what is to run now, or raises UsageError; `done`: was it right?"""
        self._config = config
        self._read = read
        self._log = log
        self._done = done

    def __call__(self) -> dict[str, Any]:
        """Read, apply, and return what the engine is to be told, {} if nothing. Never raises: what runs goes on."""
        try:
            wanted, origins = self._read()
            with origins.explained():
                check(wanted)
                choose_producer(wanted)
        except UsageError as error:
            self._log(f"the configuration is not taken, all stays as it is: {error}", Level.ERROR)
            self._done(False)
            return {}
        old, self._config = self._config, self._applied(wanted)
        self._log.configure(wanted.log_format, wanted.log_level)
        new = {name for name in (*_AT_ONCE, *_RULES) if _differ(old, wanted, name)}
        changes = [f"{keys.key_of(name)} is {getattr(wanted, name)}" for name in _AT_ONCE if name in new]
        changes += [f"{keys.key_of(name)} becomes {_shown(getattr(wanted, name))}" for name in _RULES if name in new]
        credentials = self._credentials(old, wanted)
        changes += ["the credentials for Kafka are read again"] if credentials else []
        for change in changes:
            self._log(f"configuration read again: {change}", Level.NOTICE)
        restart = list(self._needs_restart(wanted))
        if restart:
            self._log(
                f"configuration read again: restart the probe for what else has changed: {', '.join(restart)}",
                Level.WARNING,
            )
        if not changes and not restart:
            self._log("configuration read again: nothing is new", Level.NOTICE)
        self._done(True)
        command: dict[str, Any] = {"properties": self._config.properties} if credentials else {}
        return command | ({name: getattr(wanted, name) for name in _RULES} if new & set(_RULES) else {})

    def _applied(self, wanted: CaptureConfig) -> CaptureConfig:
        """Return what runs from now on: what cannot change stays."""
        update: dict[str, Any] = {name: getattr(wanted, name) for name in (*_AT_ONCE, *_RULES)}
        if self._takes_credentials(wanted):
            kept = {key: value for key, value in self._config.properties.items() if key not in CREDENTIALS}
            new = {key: value for key, value in wanted.properties.items() if key in CREDENTIALS}
            update["properties"] = kept | new
        return self._config.model_copy(update=update)

    def _takes_credentials(self, wanted: CaptureConfig) -> bool:
        # librdkafka has read its files, and its connections go on with what they began with.
        both = (self._config, wanted)
        return all(choose_producer(config)[0] == "direct" for config in both)

    def _credentials(self, old: CaptureConfig, wanted: CaptureConfig) -> bool:
        """Whether the engine has to read credentials: new ones, or what may be new in the files that they name."""
        if not self._takes_credentials(wanted):
            return False
        security = direct_settings(old.properties).security
        return security.tls is not None or security.sasl is not None

    def _needs_restart(self, wanted: CaptureConfig) -> Iterator[str]:
        for name in CaptureConfig.model_fields:
            if name != "properties" and _differ(self._config, wanted, name):
                yield "what is captured from" if name == "sources" else keys.key_of(name)
        runs, wants = self._config.properties, wanted.properties
        for key in sorted(runs.keys() | wants.keys()):
            if runs.get(key) != wants.get(key):
                yield f"Kafka property '{key}'"  # its value may be a secret


def _shown(value: object) -> str:
    return str(value) if value != "" else "none: all packets"


def _differ(one: CaptureConfig, other: CaptureConfig, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
