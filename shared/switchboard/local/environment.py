"""The environment variables of each process: computed ones, and those inherited from the caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from switchboard.local.databases import url_for
from switchboard.local.secrets import Secrets
from switchboard.local.services import BEHIND, GATEWAY, SERVICES, ServiceProcess, ServiceSpec
from switchboard.local.stack_directory import write_private

ADMIN = "admin"  # the broker's administrator
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
INHERITED = (
    "DEFAULT_REGION",
    "DOWNLOAD_LIFETIME",
    "DRAIN_NOTICE",
    "DRAIN_SECONDS",
    "FAILED_LOGINS_BY_ADDRESS",
    "EVENT_HINTS",
    "FRONTEND_URL",
    "KEEP_CLEAR_CREDENTIALS",
    "LOG_LEVEL",
    "LOG_LINES_PER_SECOND",
    "MAX_UPLOAD_BYTES",
    "MESSAGING_PROVIDER",
    "PROVIDER_RATE",
    "PUBLIC_URL",
    "REQUIRE_SYNCHRONOUS_STANDBY",
    "S3_CDN_URL",
    "SANDBOX_RATE",
    "SENDING_SLOTS",
    "SESSION_DURATION",
    "SIGN_UPS_BY_ADDRESS",
    "TENANT_RATE",
    "TRIAL_DURATION",
    "TRUSTED_PROXIES",
    "UNCERTAIN_POLICY",
    "UPLOAD_LIFETIME",
    "UPLOAD_MEMORY_BYTES",
)
INHERITED_PREFIXES = ("OAUTH_", "TWILIO_", "OTEL_", "RATE_LIMIT_")
COMPUTED = {
    "HOST", "PORT", "APP_INSTANCE_ID", "LOG_FILE", "S3_THROUGH_GATEWAY",
    "IDENTITY_KEY_FILE", "IDENTITY_PUBLIC_KEY_FILE", "ENCRYPTION_KEY_FILE",
}  # fmt: skip
ADDRESS_LISTS = {service.urls_setting for service in BEHIND}


def is_inherited(name: str) -> bool:
    return name in INHERITED or name.startswith(INHERITED_PREFIXES)


def is_setting(name: str) -> bool:
    """Tell whether a variable is a setting of the services, which the supervisor must not inherit."""
    return is_inherited(name) or name in SERVER_SETTINGS or name in COMPUTED or name in ADDRESS_LISTS


@dataclass(frozen=True)
class ServerAddresses:
    """The URLs of the four servers, with credentials. `amqp_url_of`: by the name of a broker user."""

    database_url: str
    redis_url: str
    store_settings: dict[str, str]
    has_private_store: bool
    amqp_url_of: Callable[[str], str]


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
            settings["PUBLIC_URL"] = instance.url  # links lead back to the gateway that served the browser
        return settings | {"APP_INSTANCE_ID": instance.name, "PORT": str(instance.port)}

    def of_service(self, service: ServiceSpec) -> dict[str, str]:
        """Return the settings of a service, also used by its operator commands."""
        settings = {
            "APP_INSTANCE_ID": f"{service.name}-operator",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "PUBLIC_URL": self._urls(GATEWAY)[0],
            "FRONTEND_URL": self._urls(GATEWAY)[0],
            **{name: value for name, value in self.given.items() if is_inherited(name)},
            **{behind.urls_setting: ",".join(self._urls(behind)) for behind in BEHIND},
        }
        if service == GATEWAY:
            settings["IDENTITY_KEY_FILE"] = str(self.secrets.identity_key)
            settings["IDENTITY_PUBLIC_KEY_FILE"] = str(self.secrets.identity_public_keys)  # of `identity-keys`
        if service.name == "auth":
            settings["IDENTITY_KEY_FILE"] = str(self.secrets.identity_public_keys)
        if service.name == "conversations":
            settings["ENCRYPTION_KEY_FILE"] = str(self.secrets.encryption_keys)
        return settings | self._of_servers(service)

    def write(self, directory: Path) -> None:
        """Write a `<service>.env` for the operator commands of each service."""
        for service in SERVICES:
            lines = [f"{name}={value}\n" for name, value in sorted(self.of_service(service).items())]
            write_private(directory / f"{service.name}.env", "".join(lines))
        write_private(directory / "messaging.env", f"AMQP_URL={self.servers.amqp_url_of(ADMIN)}\n")

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
        if self.servers.has_private_store:  # a browser reaches it only through a gateway
            if service.store:
                settings["S3_THROUGH_GATEWAY"] = "true"
            if service == GATEWAY:
                settings["S3_ENDPOINT"] = self.servers.store_settings["S3_ENDPOINT"]
        return settings

    def database_url(self, service: ServiceSpec) -> str:
        return url_for(self.servers.database_url, service, self.secrets.password(service.database_name))

    def _urls(self, service: ServiceSpec) -> list[str]:
        return [instance.url for instance in self.instances if instance.service == service]
