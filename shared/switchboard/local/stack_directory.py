"""The directory in which a stack keeps its data, logs, ports and secrets."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
LONGEST_SOCKET_PATH = 107  # bytes, on Linux


@dataclass(frozen=True)
class StackDirectory:
    """The files of one set of servers and of the services that use them."""

    root: Path
    throwaway: bool = False  # for tests: its data need not survive a power cut

    @classmethod
    def of_repository(cls) -> "StackDirectory":
        """Return the directory of `make up`."""
        return cls(REPOSITORY / ".local" / "run")

    @property
    def supervisor_config(self) -> Path:
        return self.root / "supervisord.conf"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def env(self) -> Path:
        return self.root / "env"

    def data(self, program: str) -> Path:
        return self.root / "data" / program

    def socket(self, program: str, name: str) -> Path | None:
        """Return the path of a program's Unix socket in its data; None if it is longer than the kernel allows."""
        path = self.data(program) / name
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH else None

    def config(self, name: str) -> Path:
        return self.root / "conf" / name

    def log(self, program: str) -> Path:
        return self.root / "log" / f"{program}.log"

    def create(self) -> None:
        """Create the directories; only their owner can read secrets."""
        for directory in (self.env, self.root / "data", self.root / "conf", self.root / "log"):
            directory.mkdir(parents=True, exist_ok=True)
        for private in (self.secrets, self.env, self.root / "conf"):
            private.mkdir(parents=True, exist_ok=True)
            private.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
