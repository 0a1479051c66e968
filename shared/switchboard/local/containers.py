"""The two jobs that docker-compose.yml runs before the services: `python -m switchboard.local.containers JOB`.

`secrets` creates passwords, keys and each container's settings once, on a volume of the Compose project.
`prepare` creates and migrates the databases, and creates the bucket.
"""

import json
import os
from pathlib import Path

import typer

from switchboard.local.environment import ADMIN, Environment, ServerAddresses
from switchboard.local.s3_store import store_settings
from switchboard.local.secrets import Secrets
from switchboard.local.services import BROKER_USERS, SERVICES, ServiceProcess
from switchboard.local.stack_directory import write_private

VOLUME = Path("/run/switchboard")
PORT = 8000
VHOST = "switchboard"

app = typer.Typer(add_completion=False, no_args_is_help=True)


def container_addresses(secrets: Secrets) -> ServerAddresses:
    """Return the servers' addresses, by the names of their containers."""
    password = secrets.password
    return ServerAddresses(
        database_url=f"postgresql://postgres:{password('postgres')}@postgres:5432/postgres",
        redis_url=f"redis://:{password('redis')}@redis:6379/0",
        store_settings=store_settings("http://store:9000", password("store")),
        has_private_store=True,
        amqp_url_of=lambda user: f"amqp://{user}:{password(f'rabbitmq-{user}')}@rabbitmq:5672/{VHOST}",
    )


@app.command("secrets")
def make_secrets() -> None:
    """Create the secrets and settings that don't exist yet."""
    from switchboard.local.broker_users import definitions

    environment = _environment()
    password = environment.secrets.password
    (VOLUME / "env").mkdir(exist_ok=True)
    environment.write(VOLUME / "env")
    store = environment.servers.store_settings
    keys = f"NANIO_ACCESS_KEY={store['S3_ACCESS_KEY']}\nNANIO_SECRET_KEY={store['S3_SECRET_KEY']}\n"
    write_private(VOLUME / "env" / "store.env", keys)
    passwords = {user: password(f"rabbitmq-{user}") for user in (ADMIN, *BROKER_USERS)}
    # Not private: other containers read these files, each under another user.
    (VOLUME / "rabbitmq-definitions.json").write_text(json.dumps(definitions(passwords, VHOST, ADMIN)))
    (VOLUME / "postgres-password").write_text(password("postgres"))
    (VOLUME / "redis.conf").write_text(
        f'requirepass {password("redis")}\nappendonly yes\nappendfsync everysec\nsave ""\ndir /data\n'
        "bind 0.0.0.0\nmaxmemory 512mb\nmaxmemory-policy noeviction\n"
    )


@app.command("prepare")
def prepare_servers() -> None:
    """Create and migrate the databases, and create the bucket. Idempotent."""
    from switchboard.local.prepare import prepare

    prepare(_environment())


def _environment() -> Environment:
    secrets = Secrets.of(VOLUME / "secrets")
    instances = tuple(ServiceProcess(service, 1, PORT, host=service.name) for service in SERVICES)
    given = {name: value for name, value in os.environ.items() if value}
    if "PUBLIC_URL" in given:  # a browser can't resolve the containers' names
        given.setdefault("FRONTEND_URL", given["PUBLIC_URL"])
    return Environment(container_addresses(secrets), secrets, instances, given)


if __name__ == "__main__":
    app()
