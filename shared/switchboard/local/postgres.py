"""A private Postgres: a data directory of the stack, TCP on loopback, the `postgres` user when started by root."""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

USER = "postgres"
DURABLE = {"shared_buffers": "128MB"}
# Test data need not survive a power cut; a killed server still recovers.
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
    ports: Ports
    secrets: Secrets

    @property
    def url(self) -> str:
        """The superuser's URL; each service has its own role."""
        password = self.secrets.password("postgres")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.ports.get('postgres')}/postgres"

    @property
    def socket_url(self) -> str:
        """The superuser's URL through the Unix socket, which costs less; through TCP if its path would be too long."""
        if self._socket is None:
            return self.url
        password = self.secrets.password("postgres")
        return (
            f"postgresql://{USER}:{password}@/postgres?host={quote(str(self._data))}&port={self.ports.get('postgres')}"
        )

    def program(self) -> Program:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.ports.get("postgres")),
            "unix_socket_directories": f'"{self._data}"' if self._socket else "",
            "max_connections": "300",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_wal_size": "2GB",
            "autovacuum_naptime": "10s",  # plans made on empty tables live until the first analyze
            **(FAST if self.stack_dir.throwaway else DURABLE),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            "postgres",
            [*as_own_user(self._data), binary("postgres"), "-D", self._data, *options],
            stop_signal="INT",  # "fast": doesn't wait for clients to leave
        )

    def prepare(self) -> None:
        """Create the data directory unless it exists. The server must not be running."""
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # an interrupted first start may have left it incomplete
        self._data.mkdir()
        password = self._data.with_name("postgres-password")
        password.write_text(self.secrets.password("postgres"))
        if os.geteuid() == 0:
            shutil.chown(self._data, USER, USER)
            shutil.chown(password, USER, USER)
        # Without authentication, a test connects a third faster; its server lives for minutes, on loopback.
        method = "trust" if self.stack_dir.throwaway else "scram-sha-256"
        options: list[str | Path] = ["-D", self._data, "-U", USER, "-A", method, "--pwfile", password, "-E", "UTF8"]
        options += ["--locale", "C.UTF-8", "--no-sync"]
        initdb = [*as_own_user(self._data), binary("initdb"), *options]
        made = subprocess.run(initdb, check=False, capture_output=True, text=True)
        password.unlink()
        if made.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise RuntimeError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    @property
    def _data(self) -> Path:
        return self.stack_dir.data("postgres")

    @property
    def _socket(self) -> Path | None:
        return self.stack_dir.socket("postgres", f".s.PGSQL.{self.ports.get('postgres')}")


def as_own_user(data: Path) -> list[str]:
    """Return the command prefix that drops root: Postgres refuses it, and its user may not enter, say, /root."""
    if os.geteuid() != 0:
        return []
    drop = ["setpriv", "--reuid", USER, "--regid", USER, "--init-groups"]
    if all(_is_traversable(directory) for directory in data.parents):
        return drop
    right = "+dac_read_search"
    return [*drop, "--inh-caps", right, "--ambient-caps", right]


def _is_traversable(directory: Path) -> bool:
    """Tell whether the `postgres` user may pass through the directory."""
    found = directory.stat()
    owner = found.st_uid == pwd.getpwnam(USER).pw_uid
    return bool(found.st_mode & stat.S_IXOTH) or (owner and bool(found.st_mode & stat.S_IXUSR))


def binary(name: str) -> Path:
    """Find a program of the newest version: Debian keeps them outside of PATH, in a folder for each version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda file: float(file.parts[4]))
    found = shutil.which(name)
    if not versions and not found:
        raise FileNotFoundError(f"{name} of Postgres is not installed")
    return versions[-1] if versions else Path(str(found))
