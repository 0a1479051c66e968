"""One Compose project for all tests of containers."""

from collections.abc import Iterator

import pytest

from switchboard.local.ports import Ports
from switchboard.testing.servers import run_directory

from .compose import Compose, compose_command


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    command = compose_command()
    if command is None:
        pytest.skip("no Docker engine with Compose answers")
    run_directory().mkdir(parents=True, exist_ok=True)
    ports = Ports.of(run_directory())
    project = Compose(command, [ports.get("gateway-1"), ports.get("gateway-2")])
    ports.file.unlink()
    try:
        project.run("up", "-d", "--build")
        project.wait_until_healthy()
        yield project
    finally:
        project.run("down", "-v")
