"""A private Redis: append-only file synced each second, no eviction."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from switchboard.local.ports import Ports
from switchboard.local.programs import Program, fingerprint
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory, write_private


@dataclass(frozen=True)
class Redis:
    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets

    @property
    def url(self) -> str:
        return f"redis://:{self.secrets.password('redis')}@127.0.0.1:{self.ports.get('redis')}/0"

    @property
    def socket_url(self) -> str:
        """The URL of the Unix socket, which costs less; of TCP if its path would be too long."""
        if self._socket is None:
            return self.url
        return f"unix://:{self.secrets.password('redis')}@{quote(str(self._socket))}?db=0"

    def prepare(self) -> None:
        self.stack_dir.data("redis").mkdir(exist_ok=True)
        write_private(self.stack_dir.config("redis.conf"), self._configuration())

    def program(self) -> Program:
        command: list[str | Path] = ["redis-server", self.stack_dir.config("redis.conf")]
        return Program("redis", command, build=fingerprint(self._configuration()))

    @property
    def _socket(self) -> Path | None:
        return self.stack_dir.socket("redis", "redis.sock")

    def _configuration(self) -> str:
        settings = [
            "bind 127.0.0.1",
            f"port {self.ports.get('redis')}",
            f"requirepass {self.secrets.password('redis')}",
            f'dir "{self.stack_dir.data("redis")}"',
            *([f'unixsocket "{self._socket}"', "unixsocketperm 700"] if self._socket else []),
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
            f"databases {128 if self.stack_dir.throwaway else 16}",
        ]
        return "\n".join(settings) + "\n"
