"""Where one stack keeps its files."""

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class StackDirectory:
    """A directory that belongs to one set of servers and, perhaps, the services on them."""

    root: Path
    throwaway: bool = False  # a test's: nothing in it has to outlive a power cut

    @classmethod
    def of_repository(cls) -> "StackDirectory":
        """Where `make up` keeps its stack."""
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

    def config(self, name: str) -> Path:
        return self.root / "conf" / name

    def log(self, program: str) -> Path:
        return self.root / "log" / f"{program}.log"

    def create(self) -> None:
        """Makes the directories; secrets are readable by their owner only."""
        for directory in (self.env, self.root / "data", self.root / "conf", self.root / "log"):
            directory.mkdir(parents=True, exist_ok=True)
        for closed in (self.secrets, self.env, self.root / "conf"):
            closed.mkdir(parents=True, exist_ok=True)
            closed.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
