"""What the product consists of, for the launcher: which service needs which settings."""

from dataclasses import dataclass
from pathlib import Path

from switchboard.local.place import REPOSITORY


@dataclass(frozen=True)
class Service:
    """One of the product's services; its folder is its name."""

    name: str
    database: bool = True

    @property
    def package(self) -> str:
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        return REPOSITORY / "services" / self.name

    @property
    def database_name(self) -> str:
        """Also of the role that owns it."""
        return f"switchboard_{self.package}"

    @property
    def urls_setting(self) -> str:
        """The setting that lists its instances."""
        return f"{self.package.upper()}_URLS"


GATEWAY = Service("api-gateway", database=False)
BEHIND = (
    Service("auth"),
    Service("files"),
    Service("conversations"),
    Service("scheduler"),
    Service("realtime", database=False),
)
SERVICES = (*BEHIND, GATEWAY)
NAMES = tuple(service.name for service in SERVICES)
INSTANCES = 2
