"""A private Postgres: its own data directory, on loopback over TCP, under its own user when we are root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

USER = "postgres"
DURABLE = {"shared_buffers": "128MB"}
# A test's data needn't survive a power cut; a killed server recovers all the same.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True)
class Postgres:
    stack_dir: StackDirectory
    port: int
    password: str

    @classmethod
    def at(cls, stack_dir: StackDirectory, ports: Ports, secrets: Secrets) -> "Postgres":
        return cls(stack_dir, ports.get("postgres"), secrets.word("postgres"))

    @property
    def url(self) -> str:
        """For the superuser; the services have roles of their own."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def program(self) -> Program:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_wal_size": "2GB",
            **(FAST if self.stack_dir.throwaway else DURABLE),
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            [*self._as_own_user(), _binary("postgres"), "-D", self._data, *words],
            stop_signal="INT",  # "fast": doesn't wait for clients to leave
        )

    def prepare(self) -> None:
        """Makes the data directory, once; the server isn't running."""
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # what an interrupted first start left
        self._data.mkdir()
        password = self._data.with_name("postgres-password")
        password.write_text(self.password)
        if os.geteuid() == 0:
            shutil.chown(self._data, USER, USER)
            shutil.chown(password, USER, USER)
        # Anybody on this machine could talk to a test's server, for minutes: connecting is quicker by a third.
        method = "trust" if self.stack_dir.throwaway else "scram-sha-256"
        words: list[str | Path] = ["-D", self._data, "-U", USER, "-A", method, "--pwfile", password, "-E", "UTF8"]
        words += ["--locale", "C.UTF-8", "--no-sync"]
        initdb = [*self._as_own_user(), _binary("initdb"), *words]
        made = subprocess.run(initdb, check=False, capture_output=True, text=True)
        password.unlink()
        if made.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise RuntimeError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    @property
    def _data(self) -> Path:
        return self.stack_dir.data("postgres")

    def _as_own_user(self) -> list[str]:
        """Postgres refuses to run as root, and its user may not be let into, say, /root."""
        if os.geteuid() != 0:
            return []
        drop = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
        if all(_lets_in(directory) for directory in self._data.parents):
            return drop
        right = "+dac_read_search"
        return [*drop, "--inh-caps", right, "--ambient-caps", right]


def _lets_in(directory: Path) -> bool:
    """Whether anybody may pass; our own directories are closed to others, but not to its user."""
    found = directory.stat()
    owner = found.st_uid == pwd.getpwnam(USER).pw_uid
    return bool(found.st_mode & stat.S_IXOTH) or (owner and bool(found.st_mode & stat.S_IXUSR))


def _binary(name: str) -> Path:
    """Debian keeps the server's programs outside of PATH, by version: the newest."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda file: float(file.parts[4]))
    found = shutil.which(name)
    if not versions and not found:
        raise FileNotFoundError(f"{name} of Postgres is not installed")
    return versions[-1] if versions else Path(str(found))
