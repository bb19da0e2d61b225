"""What a Kafka client says while it works: kept for error messages instead of printed."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

# Says only that the causes reported before now hold for every broker.
_NO_CAUSE = (KafkaError._ALL_BROKERS_DOWN,)
# "host:port/id: " in front and "(after 0ms in state CONNECT…)" behind are bookkeeping, not the cause.
_BOOKKEEPING = re.compile(r"^[^ ]*?/(?:bootstrap|\d+): | \(after \d+ms in state .*\)$|Connect to ipv[46]#")


class ClientLog(logging.Handler):
    """Takes a client's log lines and errors, served whenever the client is polled; prints nothing.

    With the property `debug` set the user asked for the lines, and they go to standard error as well.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        super().__init__()
        self.cause: str | None = None
        self._echo = bool(properties.get("debug"))
        # Not from logging.getLogger(): nobody else's handlers must print these lines.
        self._logger = logging.Logger("kafka", logging.DEBUG)
        self._logger.addHandler(self)

    def attachments(self) -> dict[str, Any]:
        """Return the properties that connect this log to a client."""
        return {"error_cb": self._on_error, "logger": self._logger}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line (logging.Handler's interface)."""
        line = record.getMessage()
        if self._echo:
            print(line, file=sys.stderr)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() not in _NO_CAUSE:
            self.cause = _BOOKKEEPING.sub("", error.str())
