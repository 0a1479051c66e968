"""The four servers under the product: private ones, or those that the environment names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from switchboard.local.ports import Ports
from switchboard.local.postgres import Postgres
from switchboard.local.programs import Program
from switchboard.local.rabbitmq import RabbitMQ
from switchboard.local.redis import Redis
from switchboard.local.s3_store import BUCKET, REGION, Store
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory


@dataclass(frozen=True)
class Servers:
    """Addresses of all four servers. `outside`: settings that name external servers, used instead of private ones."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    users: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)

    @property
    def database_url(self) -> str:
        """For a user who may create databases and roles."""
        return self.outside.get("DATABASE_URL") or self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.outside.get("REDIS_URL") or self.redis.url

    @property
    def store_settings(self) -> dict[str, str]:
        if "S3_ENDPOINT" not in self.outside:
            return self.store.settings
        given = {"S3_REGION": REGION, "S3_BUCKET": BUCKET, "S3_FORCE_PATH_STYLE": "true"}
        return given | {name: value for name, value in self.outside.items() if name.startswith("S3_")}

    @property
    def has_own_store(self) -> bool:
        return "S3_ENDPOINT" not in self.outside

    @property
    def amqp_url(self) -> str:
        return self.outside.get("AMQP_URL") or self.rabbitmq.url

    def amqp_url_of(self, service: str) -> str:
        return self.outside.get("AMQP_URL") or self.rabbitmq.url_of(service)

    @property
    def broker_metrics_port(self) -> int | None:
        """Where the private broker tells its metrics."""
        return None if "AMQP_URL" in self.outside else self.rabbitmq.metrics_port

    @property
    def postgres(self) -> Postgres:
        return Postgres.at(self.stack_dir, self.ports, self.secrets)

    @property
    def rabbitmq(self) -> RabbitMQ:
        return RabbitMQ(self.stack_dir, self.ports, self.secrets, self.users)

    @property
    def redis(self) -> Redis:
        return Redis.at(self.stack_dir, self.ports, self.secrets)

    @property
    def store(self) -> Store:
        return Store.at(self.stack_dir, self.ports, self.secrets)

    def prepare(self) -> list[Program]:
        """Writes what the private ones need, and says how to run them."""
        programs: list[Program] = []
        if "DATABASE_URL" not in self.outside:
            self.postgres.prepare()
            programs.append(self.postgres.program())
        if "AMQP_URL" not in self.outside:
            self.rabbitmq.prepare()
            programs += [self.rabbitmq.name_service(), self.rabbitmq.program()]
        if "REDIS_URL" not in self.outside:
            self.redis.prepare()
            programs.append(self.redis.program())
        if "S3_ENDPOINT" not in self.outside:
            self.store.prepare()
            programs.append(self.store.program())
        return programs

    def addresses(self) -> dict[str, str]:
        """Where each server listens, by its program's name."""
        return {
            "postgres": self.database_url,
            "rabbitmq": self.amqp_url,
            "redis": self.redis_url,
            "store": self.store_settings["S3_ENDPOINT"],
        }
