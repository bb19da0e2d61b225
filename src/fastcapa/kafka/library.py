"""What is known of the data plane's librdkafka, which is the system's and may be years old."""

import re
from collections.abc import Iterator, Mapping

from fastcapa import _dataplane

# Older ones repeat their own nonce in the last message of SCRAM; Kafka from 4.0 on takes only what RFC 5802 says.
_SCRAM_MENDED = (2, 6, 1)
_VERSION = re.compile(r"librdkafka (\d+)\.(\d+)\.(\d+)")


def warnings(properties: Mapping[str, str], versions: str = "") -> Iterator[str]:
    """Yield what may keep librdkafka from working with these properties; `versions` as the data plane says them."""
    found = _VERSION.search(versions or _dataplane.versions())
    mechanism = properties.get("sasl.mechanisms", properties.get("sasl.mechanism", ""))
    uses_sasl = properties.get("security.protocol", "").lower().startswith("sasl")
    if found is None or not uses_sasl or not mechanism.upper().startswith("SCRAM-"):
        return
    if tuple(map(int, found.groups())) < _SCRAM_MENDED:
        yield (
            f"Kafka from 4.0 on refuses {mechanism.upper()} of {found[0]}, for a mistake that 2.6.1 mends; with such"
            " brokers take the direct producer, PLAIN over TLS, or a newer librdkafka"
        )
