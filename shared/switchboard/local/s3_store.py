"""A private S3 store: nanio, in pure Python, from the same environment as we."""

import sys
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

REGION = "us-east-1"
BUCKET = "switchboard"


@dataclass(frozen=True)
class Store:
    stack_dir: StackDirectory
    port: int
    secret_key: str

    @classmethod
    def at(cls, stack_dir: StackDirectory, ports: Ports, secrets: Secrets) -> "Store":
        return cls(stack_dir, ports.get("store"), secrets.word("store"))

    @property
    def settings(self) -> dict[str, str]:
        """What a client needs, by the names of the services' settings."""
        return {
            "S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "S3_REGION": REGION,
            "S3_ACCESS_KEY": "switchboard",
            "S3_SECRET_KEY": self.secret_key,
            "S3_BUCKET": BUCKET,
            "S3_FORCE_PATH_STYLE": "true",
        }

    def prepare(self) -> None:
        self.stack_dir.data("store").mkdir(exist_ok=True)

    def program(self) -> Program:
        nanio = Path(sys.executable).with_name("nanio")
        where: list[str | Path] = [
            "--data-dir",
            self.stack_dir.data("store"),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        return Program(
            "store",
            [nanio, "serve", *where, "--region", REGION, "--log-level", "warning", "--no-access-log"],
            {"NANIO_ACCESS_KEY": self.settings["S3_ACCESS_KEY"], "NANIO_SECRET_KEY": self.secret_key},
        )
