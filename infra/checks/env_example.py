"""Generates `.env.example` from the settings classes: every setting that `docker compose` and `make up` pass on.

`python infra/checks/env_example.py` fails if the file is out of date, or docker-compose.yml leaves a setting out;
`--write` writes the file.
"""

import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api_gateway.settings import Settings as GatewaySettings
from auth.settings import Settings as AuthSettings
from conversations.settings import Settings as ConversationsSettings
from files.settings import Settings as FilesSettings
from realtime.settings import Settings as RealtimeSettings
from scheduler.settings import Settings as SchedulerSettings
from switchboard.local.environment import is_inherited

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / ".env.example"
SETTINGS: dict[str, type[BaseSettings]] = {
    "auth": AuthSettings,
    "files": FilesSettings,
    "conversations": ConversationsSettings,
    "scheduler": SchedulerSettings,
    "realtime": RealtimeSettings,
    "api-gateway": GatewaySettings,
}
ONLY_FOR_TESTS = {"TWILIO_BASE_URL"}
OF_PROVIDERS = {"OAUTH_GOOGLE_CLIENT_ID": "auth", "OAUTH_GOOGLE_CLIENT_SECRET": "auth"}
"""Settings that no class names: each OpenID provider has variables of its own."""
OF_COMPOSE = {
    "SWITCHBOARD_PORT": "The port of the first gateway on this machine; 8080.",
    "SWITCHBOARD_PORT_2": "The port of the second gateway; 8081.",
    "SWITCHBOARD_VERSION": "The tag of the images; local.",
    "BACKUP_DIR": "Where `operator backup /backups/NAME` writes: an absolute path, or the volume `backups`.",
    "DOMAIN": "The name of this installation, with docker-compose.tls.yml.",
    "RABBITMQ_IMAGE": "Another image of the broker.",
    "PROMETHEUS_PORT": "9090, with --profile monitoring.",
    "ALERTMANAGER_PORT": "9093, with --profile monitoring.",
    "GRAFANA_PORT": "3000, with --profile monitoring.",
}
HEAD = """# Copy it to .env and set what you need: `docker compose` reads that file.
# Made by `make docs` from the settings classes, with their defaults.
"""


def settings() -> dict[str, list[tuple[str, FieldInfo | None]]]:
    """The settings that are passed on, by name, with the services that have them."""
    found: dict[str, list[tuple[str, FieldInfo | None]]] = {}
    for service, cls in SETTINGS.items():
        for name, field in cls.model_fields.items():
            if is_inherited(name.upper()) and name.upper() not in ONLY_FOR_TESTS:
                found.setdefault(name.upper(), []).append((service, field))
    for name, service in OF_PROVIDERS.items():
        found[name] = [(service, None)]
    return found


def text() -> str:
    """The content of the file."""
    return HEAD + "\n".join([*_of_compose(), *_of_services()])


def _of_compose() -> Iterator[str]:
    yield "\n# docker compose"
    for name, meaning in OF_COMPOSE.items():
        yield f"# {meaning}\n#{name}="


def _of_services() -> Iterator[str]:
    yield "\n# the services"
    for name, owners in sorted(settings().items()):
        services = "all services" if len(owners) == len(SETTINGS) else ", ".join(service for service, _ in owners)
        yield f"# {services}{_default(owners[0][1])}\n#{name}="
    yield ""


def _default(field: FieldInfo | None) -> str:
    if field is None or field.is_required() or field.default in (None, "", ()):
        return ""
    return f"; {_value(field.default)}"


def _value(default: object) -> str:
    if isinstance(default, timedelta):
        seconds = default.total_seconds()
        unit, size = next((u, n) for u, n in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if seconds % n == 0)
        return f"{seconds / size:g}{unit}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def missing_in_compose() -> set[str]:
    """Settings that the job which makes each service's settings doesn't get."""
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
    passed = set(compose["services"]["secrets"]["environment"])
    return settings().keys() - passed - {"LOG_LEVEL"}


def main() -> int:
    """Check, or write with `--write`. Returns the exit code."""
    if "--write" in sys.argv:
        FILE.write_text(text())
        return 0
    problems = []
    if not FILE.exists() or FILE.read_text() != text():
        problems.append(".env.example is out of date: make docs")
    problems += [f"docker-compose.yml: `secrets` doesn't get {name}" for name in sorted(missing_in_compose())]
    if secrets := re.findall(r"^[A-Z_]+=.+", text(), re.MULTILINE):
        problems.append(f".env.example sets {secrets[0]}")
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
