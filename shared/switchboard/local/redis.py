"""A private Redis: its log of writes synced each second, and no eviction."""

from dataclasses import dataclass
from pathlib import Path

from switchboard.local.place import Place, write_private
from switchboard.local.ports import Ports
from switchboard.local.programs import Program, fingerprint
from switchboard.local.secrets import Secrets


@dataclass(frozen=True)
class Redis:
    place: Place
    port: int
    password: str

    @classmethod
    def at(cls, place: Place, ports: Ports, secrets: Secrets) -> "Redis":
        return cls(place, ports.get("redis"), secrets.word("redis"))

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        self.place.data("redis").mkdir(exist_ok=True)
        write_private(self.place.config("redis.conf"), self._configuration())

    def program(self) -> Program:
        command: list[str | Path] = ["redis-server", self.place.config("redis.conf")]
        return Program("redis", command, build=fingerprint(self._configuration()))

    def _configuration(self) -> str:
        settings = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.place.data("redis")}"',
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
            f"databases {128 if self.place.throwaway else 16}",
        ]
        return "\n".join(settings) + "\n"
