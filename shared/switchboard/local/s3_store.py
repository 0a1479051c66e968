"""A private S3 store: nanio, a pure Python server installed with the development requirements."""

import sys
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

REGION = "us-east-1"
DEFAULT_SETTINGS = {"S3_REGION": REGION, "S3_BUCKET": "switchboard", "S3_FORCE_PATH_STYLE": "true"}


def store_settings(endpoint: str, secret_key: str) -> dict[str, str]:
    """Return the S3_... settings of the services for a private store."""
    return {
        "S3_ENDPOINT": endpoint,
        "S3_ACCESS_KEY": "switchboard",
        "S3_SECRET_KEY": secret_key,
        **DEFAULT_SETTINGS,
    }


@dataclass(frozen=True)
class Store:
    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets

    @property
    def settings(self) -> dict[str, str]:
        return store_settings(f"http://127.0.0.1:{self.ports.get('store')}", self.secrets.password("store"))

    def prepare(self) -> None:
        self.stack_dir.data("store").mkdir(exist_ok=True)

    def program(self) -> Program:
        nanio = Path(sys.executable).with_name("nanio")
        options: list[str | Path] = [
            "--data-dir",
            self.stack_dir.data("store"),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.ports.get("store")),
        ]
        return Program(
            "store",
            [nanio, "serve", *options, "--region", REGION, "--log-level", "warning", "--no-access-log"],
            {f"NANIO_{name}": self.settings[f"S3_{name}"] for name in ("ACCESS_KEY", "SECRET_KEY")},
        )
