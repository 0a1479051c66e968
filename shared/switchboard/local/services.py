"""The services of the product, for the launcher: which service needs which servers."""

import re
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.stack_directory import REPOSITORY


@dataclass(frozen=True)
class ServiceSpec:
    """A service of the product, named like its folder."""

    name: str
    database: bool = True
    broker: bool = True
    redis: bool = True
    store: bool = False

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        return REPOSITORY / "services" / self.name

    @property
    def database_name(self) -> str:
        """The name of the database and of the role that owns it."""
        return f"switchboard_{self.package}"

    @property
    def urls_setting(self) -> str:
        """The name of the setting that lists the URLs of its instances."""
        return f"{self.package.upper()}_URLS"


GATEWAY = ServiceSpec("api-gateway", database=False, broker=False)
BEHIND = (
    ServiceSpec("auth"),
    ServiceSpec("files", redis=False, store=True),
    ServiceSpec("conversations"),
    ServiceSpec("scheduler", redis=False),
    ServiceSpec("realtime", database=False),
)
SERVICES = (*BEHIND, GATEWAY)
BROKER_USERS = tuple(service.name for service in SERVICES if service.broker)
TEAM = "ext-"  # prefix of the broker users of other teams
INSTANCES = 2


class InvalidTeamName(ValueError):
    """`BROKER_TEAMS` contains an invalid team name."""


@dataclass(frozen=True)
class ServiceProcess:
    service: ServiceSpec
    number: int
    port: int
    host: str = "127.0.0.1"

    @property
    def name(self) -> str:
        return instance_name(self.service, self.number)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


def instance_name(service: ServiceSpec, number: int) -> str:
    return f"{service.name}-{number}"


def users_of_teams(names: str) -> tuple[str, ...]:
    """Return the broker users of a list like `billing, search`. Raises `InvalidTeamName`."""
    teams = [team.strip() for team in names.split(",") if team.strip()]
    for team in teams:
        if not re.fullmatch("[a-z0-9-]{1,32}", team):
            raise InvalidTeamName(f"BROKER_TEAMS: {team!r} is no name of a team: small letters, digits, hyphens")
    return tuple(f"{TEAM}{team}" for team in teams)
