"""The two jobs that docker-compose.yml runs before the services: `python -m switchboard.local.containers JOB`.

`secrets` creates passwords, keys and each container's settings once, on volumes of the Compose project.
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

VOLUMES = Path("/run/switchboard")
"""A volume for each service and server, which it mounts alone. The jobs mount all of them."""
OPERATOR = VOLUMES / "operator"
KEY_DIRECTORIES = {name: VOLUMES / name for name in ("api-gateway", "auth", "conversations")}
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
    """Create the secrets and settings that don't exist yet, on the volumes of those who may read them."""
    from switchboard.local.broker_users import definitions

    environment = _environment()
    password = environment.secrets.password
    (OPERATOR / "env").mkdir(exist_ok=True)
    environment.write(OPERATOR / "env")
    for service in SERVICES:
        lines = [f"{name}={value}\n" for name, value in sorted(environment.of_service(service).items())]
        write_private(VOLUMES / service.name / "env", "".join(lines))
    store = environment.servers.store_settings
    keys = f"NANIO_ACCESS_KEY={store['S3_ACCESS_KEY']}\nNANIO_SECRET_KEY={store['S3_SECRET_KEY']}\n"
    write_private(VOLUMES / "store" / "env", keys)
    passwords = {user: password(f"rabbitmq-{user}") for user in (ADMIN, *BROKER_USERS)}
    # Not private: the servers read these files, each under another user, from a volume of its own.
    (VOLUMES / "rabbitmq" / "definitions.json").write_text(json.dumps(definitions(passwords, VHOST, ADMIN)))
    (VOLUMES / "postgres" / "password").write_text(password("postgres"))
    (VOLUMES / "redis" / "redis.conf").write_text(
        f'requirepass {password("redis")}\nappendonly yes\nappendfsync everysec\nsave ""\ndir /data\n'
        "bind 0.0.0.0\nmaxmemory 512mb\nmaxmemory-policy noeviction\n"
    )


@app.command("prepare")
def prepare_servers() -> None:
    """Create and migrate the databases, and create the bucket. Idempotent."""
    from switchboard.local.prepare import prepare

    prepare(_environment())


def _environment() -> Environment:
    secrets = Secrets.of(OPERATOR / "secrets", KEY_DIRECTORIES)
    instances = tuple(ServiceProcess(service, 1, PORT, host=service.name) for service in SERVICES)
    given = {name: value for name, value in os.environ.items() if value}
    public_url = given.setdefault("PUBLIC_URL", f"http://127.0.0.1:{given.get('PUBLIC_PORT', '8080')}")
    given.setdefault("FRONTEND_URL", public_url)  # a browser can't resolve the containers' names
    return Environment(container_addresses(secrets), secrets, instances, given)


if __name__ == "__main__":
    app()
