"""A private Redis: append-only file synced each second, no eviction."""

from dataclasses import dataclass
from pathlib import Path

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

    def prepare(self) -> None:
        self.stack_dir.data("redis").mkdir(exist_ok=True)
        write_private(self.stack_dir.config("redis.conf"), self._configuration())

    def program(self) -> Program:
        command: list[str | Path] = ["redis-server", self.stack_dir.config("redis.conf")]
        return Program("redis", command, build=fingerprint(self._configuration()))

    def _configuration(self) -> str:
        settings = [
            "bind 127.0.0.1",
            f"port {self.ports.get('redis')}",
            f"requirepass {self.secrets.password('redis')}",
            f'dir "{self.stack_dir.data("redis")}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
            f"databases {128 if self.stack_dir.throwaway else 16}",
        ]
        return "\n".join(settings) + "\n"
