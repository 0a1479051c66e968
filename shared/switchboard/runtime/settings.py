"""Settings: one frozen class per service, read from environment variables when a process starts.

    class Settings(DatabaseSettings, BusSettings, IdentitySettings):
        trial_duration: Duration = timedelta(days=14)

The field `trial_duration` is the variable `TRIAL_DURATION`; an empty variable counts as not set.
`load(Settings)` returns the settings. If a variable is missing or malformed it ends the process with one line that
names them all.
"""

import ipaddress
import re
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from switchboard.runtime.server_urls import missing_file, name_of_primary, urls_of_hosts

WRITABLE_SESSIONS = {"any", "primary", "read-write"}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

S = TypeVar("S", bound=BaseSettings)


def parse_duration(text: object) -> object:
    """`5s`, `30m`, `2h`, `14d`, `250ms`. A number without a unit is refused."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)", text.strip())
    if match is None:
        raise ValueError("must be a duration such as 5s, 30m, 2h or 14d")
    try:
        return timedelta(seconds=float(match[1]) * UNITS[match[2]])
    except OverflowError:
        raise ValueError("is too long") from None


def _split(text: object) -> object:
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(text, str) else text


def _url(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        if not _is_known(url, schemes):
            raise ValueError(f"must be a URL such as {schemes[0]}://host:port")
        return url.rstrip("/") if schemes[0] == "http" else url

    return AfterValidator(check)


def _server_url(*schemes: str) -> AfterValidator:
    """The URL of a server, which may name several hosts and files of certificates."""

    def check(url: str) -> str:
        if not all(_is_known(one, schemes) for one in urls_of_hosts(url)):
            raise ValueError(f"must be a URL such as {schemes[0]}://host:port")
        if name := missing_file(url):
            raise ValueError(f"names a file that can't be read: {name}")
        return url

    return AfterValidator(check)


def _is_known(url: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        address = parts.hostname or (parts.path if parts.scheme == "unix" else parse_qs(parts.query).get("host"))
        return parts.scheme in schemes and bool(address) and parts.port != 0
    except ValueError:
        return False


def _require_writable(url: str) -> str:
    wanted = parse_qs(urlsplit(urls_of_hosts(url)[0]).query).get("target_session_attrs", ["any"])
    if wanted[-1] not in WRITABLE_SESSIONS:
        raise ValueError("must have target_session_attrs=read-write: services write")
    return url


def _require_primary(url: str) -> str:
    try:
        if "+sentinel" in url:
            name_of_primary(url)
    except ValueError:
        raise ValueError("must name the primary: redis+sentinel://host:port,host:port/primary/0") from None
    return url


def _require_https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("must be https unless the host is loopback: sessions would travel unencrypted")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address or a name of one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A length of time, written `5s`, `30m`, `2h`, `14d`."""

Url = Annotated[str, _url("http", "https")]
"""An http(s) URL, without a slash at its end."""

PublicUrl = Annotated[Url, AfterValidator(_require_https)]
"""The address that browsers use: https, or http on loopback."""

Urls = Annotated[tuple[Url, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
"""At least one http(s) URL, separated by commas."""

PostgresUrl = Annotated[str, _server_url("postgresql", "postgres"), AfterValidator(_require_writable)]
"""`postgresql://user:password@one:5432,two:5432/database?target_session_attrs=read-write`."""

AmqpUrl = Annotated[str, _server_url("amqp", "amqps")]
"""`amqp://user:password@one:5672,two:5672/virtual-host`."""

RedisUrl = Annotated[
    str,
    _server_url("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel"),
    AfterValidator(_require_primary),
]
"""`redis://:password@host:6379/0`, or `redis+sentinel://:password@one:26379,two:26379/primary/0` through Sentinels."""


class ServiceSettings(BaseSettings):
    """The settings of every process."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, validate_default=False
    )

    app_instance_id: str = Field(default_factory=socket.gethostname)
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_file: Path | None = None
    """Where stdout and stderr go, up to 20 MB twice. None: they stay where they are."""
    log_lines_per_second: Annotated[int, Field(ge=1)] = 50
    otel_exporter_otlp_endpoint: Url | None = None
    drain_notice: Duration = timedelta(seconds=1)
    """How long readiness fails before the graceful shutdown stops work: the gateway probes twice a second."""
    drain_seconds: float = Field(default=10.0, ge=0)
    """How long requests and loops may take to finish during the graceful shutdown."""


class CommandSettings(BaseSettings):
    """Base of the settings of operator commands. A subclass lists the variables that its commands need."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)


class DatabaseSettings(ServiceSettings):
    """A service that owns a database."""

    database_url: PostgresUrl = Field(repr=False)
    database_listen_url: PostgresUrl | None = Field(default=None, repr=False)
    """For LISTEN, which needs a direct connection, not one through PgBouncer."""
    database_pool_size: int = Field(default=10, ge=1)
    require_synchronous_standby: bool = False
    """Whether writes are refused while the primary has no synchronous standby."""


class BusSettings(ServiceSettings):
    """A service that publishes or consumes."""

    amqp_url: AmqpUrl = Field(repr=False)


class RedisSettings(ServiceSettings):
    """A service that uses Redis."""

    redis_url: RedisUrl = Field(repr=False)


class IdentitySettings(ServiceSettings):
    """A service that checks identities by the keys that auth publishes."""

    auth_urls: Urls


def load(settings: type[S]) -> S:
    """The settings of this process. If any is missing or malformed: one line on stderr and exit code 2."""
    try:
        return settings()
    except ValidationError as error:
        sys.stderr.write(f"cannot start: {_describe_errors(settings, error)}\n")
        raise SystemExit(2) from None


def _describe_errors(settings: type[BaseSettings], error: ValidationError) -> str:
    """One line: each invalid variable with the reason, never its value."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{_variable_name(settings, wrong['loc'])} {_describe(wrong['type'], wrong['msg'])}" for wrong in errors]
    return "; ".join(dict.fromkeys(lines))


def _variable_name(settings: type[BaseSettings], loc: tuple[int | str, ...]) -> str:
    """The environment variable of a field."""
    if not loc:
        return settings.__name__
    field = settings.model_fields.get(str(loc[0]))
    alias = field.validation_alias if field is not None else None
    return (alias if isinstance(alias, str) else str(loc[0])).upper()


def _describe(kind: str, msg: str) -> str:
    if kind == "missing":
        return "is missing"
    return msg.removeprefix("Value error, ").replace("Input should", "should")
