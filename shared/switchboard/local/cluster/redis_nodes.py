"""Redis nodes with Sentinels on loopback. Sentinel rewrites the configuration of both: it is written once."""

from dataclasses import dataclass

from switchboard.local.cluster.certificates import Certificates
from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory, write_private

PRIMARY = "switchboard"  # the name by which the Sentinels know the primary
DOWN_AFTER_MS = 1000


@dataclass(frozen=True)
class RedisNodes:
    """A first primary, its replicas, and Sentinels. `tls`: certificates named `redis` and `client`."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    replicas: int = 1
    sentinels: int = 3
    tls: Certificates | None = None

    @property
    def names(self) -> list[str]:
        return [f"redis-{number}" for number in range(1, self.replicas + 2)]

    @property
    def sentinel_names(self) -> list[str]:
        return [f"sentinel-{number}" for number in range(1, self.sentinels + 1)]

    @property
    def url(self) -> str:
        """The URL of the primary, through the Sentinels."""
        hosts = ",".join(f"127.0.0.1:{self.ports.get(name)}" for name in self.sentinel_names)
        return f"{self._scheme}+sentinel://:{self._password}@{hosts}/{PRIMARY}/0?{self.query}".rstrip("?")

    def url_of(self, name: str) -> str:
        """The URL of one node, whatever its role."""
        return f"{self._scheme}://:{self._password}@127.0.0.1:{self.ports.get(name)}/0?{self.query}".rstrip("?")

    @property
    def query(self) -> str:
        """The parameters that name the client's certificates."""
        if self.tls is None:
            return ""
        files = {"ca_certs": self.tls.authority, "certfile": self.tls.certificate("client")}
        files["keyfile"] = self.tls.key("client")
        return "&".join(f"ssl_{name}={file}" for name, file in files.items())

    def prepare(self) -> list[Program]:
        """Write the missing configuration files, and return the programs to run."""
        programs = [self._program(name, self._node(name)) for name in self.names]
        return programs + [self._program(name, self._sentinel(name), "--sentinel") for name in self.sentinel_names]

    def _program(self, name: str, lines: list[str], *options: str) -> Program:
        self.stack_dir.data(name).mkdir(exist_ok=True)
        file = self.stack_dir.config(f"{name}.conf")
        if not file.exists():
            write_private(file, "\n".join(lines) + "\n")
        return Program(name, ["redis-server", file, *options])

    def _node(self, name: str) -> list[str]:
        lines = [
            *self._listen(name),
            f"requirepass {self._password}",
            f"masterauth {self._password}",
            f'dir "{self.stack_dir.data(name)}"',
            "appendonly yes",
            'save ""',
            "maxmemory 256mb",
            "maxmemory-policy noeviction",
            "repl-diskless-sync-delay 0",
        ]
        if name != self.names[0]:
            lines.append(f"replicaof 127.0.0.1 {self.ports.get(self.names[0])}")
        return lines

    def _sentinel(self, name: str) -> list[str]:
        return [
            *self._listen(name),
            f'dir "{self.stack_dir.data(name)}"',
            f"sentinel monitor {PRIMARY} 127.0.0.1 {self.ports.get(self.names[0])} {self.sentinels // 2 + 1}",
            f"sentinel auth-pass {PRIMARY} {self._password}",
            f"sentinel down-after-milliseconds {PRIMARY} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {PRIMARY} 6000",
        ]

    def _listen(self, name: str) -> list[str]:
        port = self.ports.get(name)
        if self.tls is None:
            return ["bind 127.0.0.1", f"port {port}"]
        return [
            "bind 127.0.0.1",
            "port 0",
            f"tls-port {port}",
            f"tls-ca-cert-file {self.tls.authority}",
            f"tls-cert-file {self.tls.certificate('redis')}",
            f"tls-key-file {self.tls.key('redis')}",
            "tls-auth-clients yes",
            "tls-replication yes",
        ]

    @property
    def _scheme(self) -> str:
        return "redis" if self.tls is None else "rediss"

    @property
    def _password(self) -> str:
        return self.secrets.password("redis")
