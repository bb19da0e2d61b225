"""Fixtures of the integration tests: a site for captures on interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.brokers import Cluster, broker
from support.netns import Namespace, namespace, unused_address
from support.site import Site


@pytest.fixture(scope="module")
def kafka_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Namespace, Cluster]]:
    # Frames on this link may be as long as an IP packet can be.
    address = unused_address()
    with (
        namespace(mtu=65521, address=address) as inside,
        broker(tmp_path_factory.mktemp("kafka"), host=address) as cluster,
    ):
        yield inside, cluster


@pytest.fixture
def site(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path) -> Site:
    inside, cluster = kafka_outside
    return Site(inside, cluster.bootstrap, tmp_path)


@pytest.fixture
def fresh_site(kafka_outside: tuple[Namespace, Cluster], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """fresh_site(**shape): a site whose namespace is the test's own, so that it may take its links apart."""
    _, cluster = kafka_outside
    with ExitStack() as stack:

        def make(*, mtu: int = 1500, offloads: bool = False) -> Site:
            gateway = unused_address()
            inside = stack.enter_context(namespace(mtu=mtu, offloads=offloads, address=gateway))
            inside.run("ip", "route", "add", cluster.host, "via", gateway)
            return Site(inside, cluster.bootstrap, tmp_path)

        yield make
