"""What a running capture serves with --metrics."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

# A proxy of the environment is not for loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, *, token: str | None = None, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Status and body."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 -- made by the probe
    opener = _OPENER
    if tls is not None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def metric(base: str, name: str) -> float:
    """The sum of a metric's samples; 0 while it is not there."""
    status, text = get(f"{base}metrics")
    assert status == 200, text
    samples = [s for family in text_string_to_metric_families(text.decode()) for s in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


def status(base: str) -> dict[str, Any]:
    """What the page shows."""
    code, text = get(f"{base}status.json")
    assert code == 200, text
    found: dict[str, Any] = json.loads(text)
    return found
