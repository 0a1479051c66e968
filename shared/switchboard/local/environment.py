"""The environment variables of each process: computed ones, and those passed on from the caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from switchboard.local.databases import url_for
from switchboard.local.secrets import Secrets
from switchboard.local.services import BEHIND, GATEWAY, SERVICES, ServiceProcess, ServiceSpec
from switchboard.local.stack_directory import write_private

SERVER_SETTINGS = (
    "DATABASE_URL",
    "AMQP_URL",
    "REDIS_URL",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "S3_BUCKET",
    "S3_FORCE_PATH_STYLE",
)
PASSED_ON = (
    "DEFAULT_REGION",
    "DOWNLOAD_LIFETIME",
    "DRAIN_NOTICE",
    "DRAIN_SECONDS",
    "FRONTEND_URL",
    "LOG_LEVEL",
    "MAX_UPLOAD_BYTES",
    "MESSAGING_PROVIDER",
    "PUBLIC_URL",
    "S3_CDN_URL",
    "SESSION_DURATION",
    "TRIAL_DURATION",
    "TRUSTED_PROXIES",
    "UNCERTAIN_POLICY",
    "UPLOAD_LIFETIME",
    "UPLOAD_MEMORY_BYTES",
)
PASSED_ON_PREFIXES = ("OAUTH_", "TWILIO_", "OTEL_", "RATE_LIMIT_")
OWN = {"HOST", "PORT", "APP_INSTANCE_ID", "IDENTITY_KEY_FILE", "S3_THROUGH_GATEWAY"}
ADDRESS_LISTS = {service.urls_setting for service in BEHIND}


def is_passed_on(name: str) -> bool:
    return name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)


def is_setting(name: str) -> bool:
    """Whether a variable of ours must not reach a process by inheritance."""
    return is_passed_on(name) or name in SERVER_SETTINGS or name in OWN or name in ADDRESS_LISTS


class ServerAddresses(Protocol):
    """Where the four servers are, and as whom to go there."""

    @property
    def database_url(self) -> str: ...
    @property
    def redis_url(self) -> str: ...
    @property
    def store_settings(self) -> dict[str, str]: ...
    @property
    def has_own_store(self) -> bool: ...
    @property
    def amqp_url(self) -> str: ...
    def amqp_url_of(self, service: str) -> str: ...


@dataclass(frozen=True)
class Environment:
    """The environment of every process of a stack. `given`: settings from the caller's environment."""

    servers: ServerAddresses
    secrets: Secrets
    instances: tuple[ServiceProcess, ...]
    given: Mapping[str, str] = field(default_factory=dict)

    def of_instance(self, instance: ServiceProcess) -> dict[str, str]:
        settings = self.of_service(instance.service)
        if instance.service == GATEWAY and "PUBLIC_URL" not in self.given:
            settings["PUBLIC_URL"] = instance.url  # a browser is at home at whichever gateway served it
        return settings | {"APP_INSTANCE_ID": instance.name, "PORT": str(instance.port)}

    def of_service(self, service: ServiceSpec) -> dict[str, str]:
        """Also what an operator's command for this service works with."""
        settings = {
            "APP_INSTANCE_ID": f"{service.name}-operator",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "PUBLIC_URL": self._urls(GATEWAY)[0],
            "FRONTEND_URL": self._urls(GATEWAY)[0],
            **{name: value for name, value in self.given.items() if is_passed_on(name)},
            **{behind.urls_setting: ",".join(self._urls(behind)) for behind in BEHIND},
        }
        if service == GATEWAY:
            settings["IDENTITY_KEY_FILE"] = str(self.secrets.identity_key)
        if service.name == "auth":
            settings["IDENTITY_KEY_FILE"] = str(self.secrets.identity_public_keys)
        return settings | self._of_servers(service)

    def write(self, directory: Path) -> None:
        """`<service>.env` for the operator's commands."""
        for service in SERVICES:
            lines = [f"{name}={value}\n" for name, value in sorted(self.of_service(service).items())]
            write_private(directory / f"{service.name}.env", "".join(lines))
        write_private(directory / "messaging.env", f"AMQP_URL={self.servers.amqp_url}\n")

    def _of_servers(self, service: ServiceSpec) -> dict[str, str]:
        settings: dict[str, str] = {}
        if service.database:
            settings["DATABASE_URL"] = self.database_url(service)
        if service.broker:
            settings["AMQP_URL"] = self.servers.amqp_url_of(service.name)
        if service.redis:
            settings["REDIS_URL"] = self.servers.redis_url
        if service.store:
            settings.update(self.servers.store_settings)
        if self.servers.has_own_store:  # which a browser may reach only by way of a gateway
            if service.store:
                settings["S3_THROUGH_GATEWAY"] = "true"
            if service == GATEWAY:
                settings["S3_ENDPOINT"] = self.servers.store_settings["S3_ENDPOINT"]
        return settings

    def database_url(self, service: ServiceSpec) -> str:
        return url_for(self.servers.database_url, service, self.secrets.word(service.database_name))

    def _urls(self, service: ServiceSpec) -> list[str]:
        return [instance.url for instance in self.instances if instance.service == service]
