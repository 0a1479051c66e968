"""A Postgres primary and a standby made by pg_basebackup, without automatic failover: a test promotes the standby."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.cluster.certificates import Certificates
from switchboard.local.ports import Ports
from switchboard.local.postgres import USER, as_own_user, binary
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

PRIMARY, STANDBY = "postgres-1", "postgres-2"


@dataclass(frozen=True)
class PostgresPair:
    """`tls`: certificates named `postgres` and `client`, without which no client is accepted."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    tls: Certificates | None = None

    @property
    def url(self) -> str:
        """The URL that names both hosts."""
        hosts = ",".join(f"127.0.0.1:{self.ports.get(name)}" for name in (STANDBY, PRIMARY))
        return f"{self._credentials}@{hosts}/postgres?target_session_attrs=read-write{self._files}"

    def url_of(self, name: str) -> str:
        """The URL of one host, whatever its role."""
        return f"{self._credentials}@127.0.0.1:{self.ports.get(name)}/postgres?{self._files.lstrip('&')}"

    def prepare_primary(self) -> Program:
        """Create the primary's data directory, and return its program."""
        data = self._made(PRIMARY)
        password = data.with_name("password")
        password.write_text(self.secrets.password("postgres"))
        if os.geteuid() == 0:
            shutil.chown(password, USER, USER)
        self._run(PRIMARY, "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password, "--no-sync")
        if self.tls is not None:
            kinds = ("hostssl all", "hostssl replication")
            rules = [f"{kind} all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n" for kind in kinds]
            (data / "pg_hba.conf").write_text("".join(rules))
        return self._program(PRIMARY)

    def prepare_standby(self) -> Program:
        """Copy the running primary, and return the program of its standby."""
        data = self._made(STANDBY)
        self._run(STANDBY, "pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast", "-d", self.url_of(PRIMARY))
        return self._program(STANDBY)

    def promote(self) -> None:
        """Make the standby the primary, and wait until it is."""
        self._run(STANDBY, "pg_ctl", "promote", "-D", self.stack_dir.data(STANDBY), "-w")

    def _program(self, name: str) -> Program:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.ports.get(name)),
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "fsync": "off",
            "cluster_name": name,
            "primary_conninfo": f"{self.url_of(PRIMARY)}",
        }
        if self.tls is not None:
            settings |= {"ssl": "on", "ssl_ca_file": str(self.tls.authority)}
            settings |= {"ssl_cert_file": str(self.tls.certificate("postgres"))}
            settings |= {"ssl_key_file": str(self.tls.key("postgres"))}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        data = self.stack_dir.data(name)
        return Program(name, [*as_own_user(data), binary("postgres"), "-D", data, *options], stop_signal="QUIT")

    def _made(self, name: str) -> Path:
        data = self.stack_dir.data(name)
        data.mkdir()
        data.chmod(0o700)
        if os.geteuid() == 0:
            shutil.chown(data, USER, USER)
        return data

    def _run(self, name: str, program: str, *words: str | Path) -> None:
        command = [*as_own_user(self.stack_dir.data(name)), binary(program), *words]
        ran = subprocess.run(command, check=False, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"{program} failed: {ran.stderr.strip() or ran.stdout.strip()}")

    @property
    def _credentials(self) -> str:
        return f"postgresql://{USER}:{self.secrets.password('postgres')}"

    @property
    def _files(self) -> str:
        if self.tls is None:
            return ""
        files = f"sslrootcert={self.tls.authority}&sslcert={self.tls.certificate('client')}"
        return f"&sslmode=verify-full&{files}&sslkey={self.tls.key('client')}"
