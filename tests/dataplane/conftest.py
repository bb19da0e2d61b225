"""Fixtures of the data-plane tests: no Kafka but the embedded one, so that they run under sanitizers as well."""

from collections.abc import Iterator

import pytest

from fastcapa.kafka.embedded import EmbeddedBroker


@pytest.fixture
def broker() -> Iterator[str]:
    """Bootstrap address of an embedded broker of the test's own: it keeps little."""
    with EmbeddedBroker() as embedded:
        yield embedded.bootstrap
