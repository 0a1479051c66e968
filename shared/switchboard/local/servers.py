"""The four servers that the product needs: private ones, or external ones that the environment names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from switchboard.local.environment import ADMIN, ServerAddresses
from switchboard.local.ports import Ports
from switchboard.local.postgres import Postgres
from switchboard.local.programs import Program
from switchboard.local.rabbitmq import SCHEDULERS, RabbitMQ
from switchboard.local.redis import Redis
from switchboard.local.s3_store import DEFAULT_SETTINGS, Store
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory


@dataclass(frozen=True)
class Servers:
    """The four servers. `external`: settings that name external servers, used instead of private ones."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    users: tuple[str, ...] = ()
    external: Mapping[str, str] = field(default_factory=dict)
    broker_schedulers: int = SCHEDULERS

    @property
    def database_url(self) -> str:
        """The URL of a user who may create databases and roles."""
        return self.external.get("DATABASE_URL") or self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.external.get("REDIS_URL") or self.redis.url

    @property
    def store_settings(self) -> dict[str, str]:
        if "S3_ENDPOINT" not in self.external:
            return self.store.settings
        return DEFAULT_SETTINGS | {name: value for name, value in self.external.items() if name.startswith("S3_")}

    def amqp_url_of(self, user: str = ADMIN) -> str:
        return self.external.get("AMQP_URL") or self.rabbitmq.url_of(user)

    def addresses(self, *, by_socket: bool = True) -> ServerAddresses:
        """Return the addresses for the services' settings: Unix sockets of private servers, where they have one."""
        return ServerAddresses(
            self.external.get("DATABASE_URL") or (self.postgres.socket_url if by_socket else self.postgres.url),
            self.external.get("REDIS_URL") or (self.redis.socket_url if by_socket else self.redis.url),
            self.store_settings,
            "S3_ENDPOINT" not in self.external,
            self.amqp_url_of,
        )

    @property
    def broker_metrics_port(self) -> int | None:
        """The port of the private broker's metrics, or None for an external broker."""
        return None if "AMQP_URL" in self.external else self.rabbitmq.metrics_port

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.stack_dir, self.ports, self.secrets)

    @property
    def rabbitmq(self) -> RabbitMQ:
        return RabbitMQ(self.stack_dir, self.ports, self.secrets, self.users, self.broker_schedulers)

    @property
    def redis(self) -> Redis:
        return Redis(self.stack_dir, self.ports, self.secrets)

    @property
    def store(self) -> Store:
        return Store(self.stack_dir, self.ports, self.secrets)

    def prepare(self) -> list[Program]:
        """Write the configuration of the private servers, and return the programs to run."""
        programs: list[Program] = []
        if "DATABASE_URL" not in self.external:
            self.postgres.prepare()
            programs.append(self.postgres.program())
        if "AMQP_URL" not in self.external:
            self.rabbitmq.prepare()
            programs += [self.rabbitmq.name_service(), self.rabbitmq.program()]
        if "REDIS_URL" not in self.external:
            self.redis.prepare()
            programs.append(self.redis.program())
        if "S3_ENDPOINT" not in self.external:
            self.store.prepare()
            programs.append(self.store.program())
        return programs

    def urls(self) -> dict[str, str]:
        """Return the URL of each server, by the name of its program."""
        return {
            "postgres": self.database_url,
            "rabbitmq": self.amqp_url_of(),
            "redis": self.redis_url,
            "store": self.store_settings["S3_ENDPOINT"],
        }
