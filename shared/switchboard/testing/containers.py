"""Test servers in containers (`SWITCHBOARD_TEST_SERVERS=containers`), in the versions that production runs.

`POSTGRES_IMAGE`, `RABBITMQ_IMAGE`, `REDIS_IMAGE` choose other images. The S3 store has none: it runs as a process.
"""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from switchboard.local import probes
from switchboard.local.keeper import announce, keep
from switchboard.local.ports import Ports
from switchboard.local.private_stacks import throwaway_stack_dir
from switchboard.local.s3_store import Store
from switchboard.local.secrets import Secrets
from switchboard.local.supervisor import Supervisor

IMAGES = {
    "POSTGRES_IMAGE": "postgres:17-bookworm",
    "RABBITMQ_IMAGE": "rabbitmq:4.2-management",
    "REDIS_IMAGE": "redis:8-bookworm",
}
PASSWORD = "test"  # containers are reachable from this machine only
FAST = "-c fsync=off -c full_page_writes=off -c max_connections=300 -c timezone=UTC"
STARTED_WITHIN = 180.0


def keep_containers(directory: Path, until_exit_of: int | None = None) -> None:
    """Start the containers, announce them in `directory`, and keep them until a signal or that process's exit."""
    with throwaway_stack_dir(directory) as stack_dir:
        secrets, ports = Secrets.of(stack_dir.secrets), Ports.of(stack_dir.root)
        store = Store(stack_dir, ports, secrets)
        store.prepare()
        supervisor = Supervisor.of(stack_dir, ports, secrets)
        supervisor.write([store.program()])
        supervisor.start(dict(os.environ))
        with _postgres() as postgres, _rabbitmq() as rabbitmq, _redis() as redis:
            addresses = {
                "database_url": f"postgresql://postgres:{PASSWORD}@{_at(postgres, 5432)}/postgres",
                "amqp_url": f"amqp://test:{PASSWORD}@{_at(rabbitmq, 5672)}/%2F",
                "amqp_management_url": f"http://test:{PASSWORD}@{_at(rabbitmq, 15672)}",
                "redis_url": f"redis://{_at(redis, 6379)}/0",
            }
            probes.wait_for(addresses | {"store": store.settings["S3_ENDPOINT"]}, within=STARTED_WITHIN)
            announce(stack_dir, addresses | {"store": store.settings})
            keep(until_exit_of)


def _postgres() -> Any:
    return _container("POSTGRES_IMAGE", 5432, POSTGRES_PASSWORD=PASSWORD).with_command(f"postgres {FAST}")


def _rabbitmq() -> Any:
    return _container("RABBITMQ_IMAGE", 5672, 15672, RABBITMQ_DEFAULT_USER="test", RABBITMQ_DEFAULT_PASS=PASSWORD)


def _redis() -> Any:
    command = "redis-server --databases 128 --appendonly yes --bind 0.0.0.0 --protected-mode no --dir /data"
    return _container("REDIS_IMAGE", 6379).with_command(command)


def _container(image: str, *ports: int, **environment: str) -> Any:
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(os.environ.get(image) or IMAGES[image]).with_exposed_ports(*ports)
    for name, value in environment.items():
        container = container.with_env(name, value)
    return container


def _at(container: Any, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


def engine_answers() -> bool:
    """Tell whether a Docker engine is running."""
    import docker

    try:
        docker.from_env().ping()
    except docker.errors.DockerException:
        return False
    return True


def main(
    keep: Annotated[Path, typer.Option(help="The directory for their addresses.")],
    until_exit_of: Annotated[int | None, typer.Option(help="End together with this process.")] = None,
) -> None:
    keep_containers(keep, until_exit_of)


if __name__ == "__main__":
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the keeper cleans up: no extra image to fetch
    typer.run(main)
