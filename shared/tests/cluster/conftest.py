"""Servers of several nodes, and servers with TLS, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from switchboard.local.cluster.certificates import Certificates
from switchboard.testing.nodes import Nodes, open_nodes
from switchboard.testing.servers import run_directory


@pytest.fixture(scope="module")
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """The nodes of this module; none runs yet."""
    with open_nodes(run_directory() / request.module.__name__.rpartition(".")[2]) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def certificates(nodes: Nodes) -> Certificates:
    """Certificates of the servers and of a client, by an authority made for this module."""
    certificates = Certificates(nodes.stack_dir.root / "tls")
    certificates.make("postgres", "redis", "rabbitmq", "client")
    return certificates
