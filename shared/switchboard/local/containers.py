"""The two jobs that docker-compose.yml runs before the services: `python -m switchboard.local.containers JOB`.

`secrets` makes them once, on a volume that nothing outside sees, with each container's settings.
`prepare` makes and migrates the databases, and the bucket.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import typer

from switchboard.local.environment import Environment
from switchboard.local.s3_store import BUCKET, REGION
from switchboard.local.secrets import Secrets
from switchboard.local.services import BROKER_USERS, SERVICES, ServiceProcess
from switchboard.local.stack_directory import write_private

VOLUME = Path("/run/switchboard")
PORT = 8000
VHOST = "switchboard"
ADMIN = "admin"

app = typer.Typer(add_completion=False, no_args_is_help=True)


@dataclass(frozen=True)
class ContainerServers:
    """The servers by the names of their containers."""

    secrets: Secrets

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres:{self.secrets.word('postgres')}@postgres:5432/postgres"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.secrets.word('redis')}@redis:6379/0"

    @property
    def amqp_url(self) -> str:
        return self.amqp_url_of(ADMIN)

    def amqp_url_of(self, service: str) -> str:
        return f"amqp://{service}:{self.secrets.word(f'rabbitmq-{service}')}@rabbitmq:5672/{VHOST}"

    @property
    def has_own_store(self) -> bool:
        return True

    @property
    def store_settings(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT": "http://store:9000",
            "S3_REGION": REGION,
            "S3_ACCESS_KEY": "switchboard",
            "S3_SECRET_KEY": self.secrets.word("store"),
            "S3_BUCKET": BUCKET,
            "S3_FORCE_PATH_STYLE": "true",
        }


@app.command("secrets")
def make_secrets() -> None:
    """Made once; what is there is kept."""
    from switchboard.local.broker_users import definitions

    environment = _environment()
    words = environment.secrets.word
    (VOLUME / "env").mkdir(exist_ok=True)
    environment.write(VOLUME / "env")
    store = environment.servers.store_settings
    keys = f"NANIO_ACCESS_KEY={store['S3_ACCESS_KEY']}\nNANIO_SECRET_KEY={store['S3_SECRET_KEY']}\n"
    write_private(VOLUME / "env" / "store.env", keys)
    passwords = {user: words(f"rabbitmq-{user}") for user in (ADMIN, *BROKER_USERS)}
    # These are read by the servers' own users, in containers of their own.
    (VOLUME / "rabbitmq-definitions.json").write_text(json.dumps(definitions(passwords, VHOST, ADMIN)))
    (VOLUME / "postgres-password").write_text(words("postgres"))
    (VOLUME / "redis.conf").write_text(
        f'requirepass {words("redis")}\nappendonly yes\nappendfsync everysec\nsave ""\ndir /data\n'
        "bind 0.0.0.0\nmaxmemory 512mb\nmaxmemory-policy noeviction\n"
    )


@app.command("prepare")
def prepare_servers() -> None:
    """Run again: no harm."""
    from switchboard.local.prepare import prepare

    prepare(_environment())


def _environment() -> Environment:
    secrets = Secrets.of(VOLUME / "secrets")
    instances = tuple(ServiceProcess(service, 1, PORT, host=service.name) for service in SERVICES)
    given = {name: value for name, value in os.environ.items() if value}
    if "PUBLIC_URL" in given:  # our own names mean nothing to a browser
        given.setdefault("FRONTEND_URL", given["PUBLIC_URL"])
    return Environment(ContainerServers(secrets), secrets, instances, given)


if __name__ == "__main__":
    app()
