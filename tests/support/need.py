"""What a test does when the machine lacks something."""

import os

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the test with this reason unless the condition holds; where everything must run, fail it.

    That is on continuous integration (CI=true) and with FASTCAPA_REQUIRE_ALL=1.
    """
    if condition:
        return
    if os.environ.get("CI") == "true" or os.environ.get("FASTCAPA_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (and everything is required here)", pytrace=False)
    pytest.skip(reason)
