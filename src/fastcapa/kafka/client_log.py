"""What a Kafka client says while it works: kept for error messages instead of printed."""

import logging
import math
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

# Says only that the causes reported before now hold for every broker.
_NO_CAUSE = (KafkaError._ALL_BROKERS_DOWN,)
# What will be said again, for one of us wants another certificate: OpenSSL of the broker's; the broker, in an alert, of
# ours, or that there is none. With TLS 1.3 it comes behind the handshake, and the library takes it for any other end.
_NOT_TRUSTED = re.compile(
    "certificate verify failed"
    "|alert (?:(?:bad|unsupported) certificate|certificate (?:expired|required|revoked|unknown)|unknown ca)"
)
# Others that were named have so long to be better.
_OTHERS_S = 2.0
# "host:port/id: " in front and "(after 0ms in state CONNECT…)" behind are bookkeeping, not the cause.
_BOOKKEEPING = re.compile(r"^[^ ]*?/(?:bootstrap|\d+): | \(after \d+ms in state .*\)$|Connect to ipv[46]#")


def _is_refusal(error: KafkaError) -> bool:
    return error.code() == KafkaError._AUTHENTICATION or _NOT_TRUSTED.search(error.str()) is not None


class ClientLog(logging.Handler):
    """Takes a client's log lines and errors, served whenever the client is polled; prints nothing.

    With the property `debug` set the user asked for the lines, and they go to standard error as well.
    """

    def __init__(self, properties: Mapping[str, Any]) -> None:
        super().__init__()
        self.cause: str | None = None
        self._refused_by: set[str] = set()
        self._refused_at = math.inf  # monotonic, for the first time
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

    def refused(self, brokers: int) -> bool:
        """Return whether trying again is of no use: brokers do not let us in, or are not whom we trust.

        That is all of them, `brokers`, or one, and two seconds later no other is better.
        """
        return len(self._refused_by) >= brokers or time.monotonic() - self._refused_at > _OTHERS_S

    def _on_error(self, error: KafkaError) -> None:
        if error.code() in _NO_CAUSE:
            return
        text = error.str()
        if _is_refusal(error):
            self._refused_by.add(text.partition(": ")[0])
            self._refused_at = min(self._refused_at, time.monotonic())
        elif self._refused_by:
            return  # that another is out of reach explains less
        self.cause = _BOOKKEEPING.sub("", text)
