"""One cluster of a head and a worker for the tests that need hosts; it takes about a minute to come up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import Cluster, wait_until
from support.hosts import Network, missing_for_hosts
from support.postgres import missing_postgres


@pytest.fixture
def cluster(brought_up: Cluster) -> Cluster:
    """The cluster, with every host switched on and no trial held, whatever an earlier test left."""
    brought_up.let_go()
    for host in brought_up.network.hosts.values():
        if host.process is None:
            brought_up.network.switch_on(host)
    return brought_up


@pytest.fixture(scope="session")
def brought_up() -> Iterator[Cluster]:
    """A cluster brought up by ``ray up`` with the project's cluster.yaml."""
    if reason := missing_for_hosts() or missing_postgres():
        pytest.skip(reason)
    # Not pytest's own folder: the system's user postgres must be able to get in.
    with tempfile.TemporaryDirectory(prefix="ttur-hosts-") as folder:
        Path(folder).chmod(0o755)
        network = Network(Path(folder))
        try:
            made = Cluster(network)
            made.prepare()
            made.up()
            wait_until("the worker joins", lambda: len(made.alive()) == 2, seconds=600)
            yield made
        finally:
            network.close()
