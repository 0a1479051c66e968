"""Ports of a stack: picked once, kept in a file, and picked again only if another program took them."""

import json
import random
import socket
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

# Below the range from which Linux takes the ports of outgoing connections: a connection
# of another program can't take the port of a server that is just restarting.
FREE_PORTS = range(20_000, 32_000)


class PortInUse(Exception):
    """Another program listens on the requested port."""


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def require_free(port: int, setting: str) -> None:
    if not is_free(port):
        raise PortInUse(f"port {port} is in use{_holder_of(port)}; free it or choose another by {setting}")


def _holder_of(port: int) -> str:
    import psutil  # a development tool: not in the production image

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass  # another user's process can't be inspected
    return ""


@dataclass
class Ports:
    """The ports of one stack, by the name of the listening program."""

    file: Path
    taken: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> "Ports":
        file = root / "ports.json"
        return cls(file, json.loads(file.read_text()) if file.exists() else {})

    def get(self, name: str) -> int:
        if name not in self.taken:
            self._pick(name)
        return self.taken[name]

    def put(self, name: str, port: int) -> None:
        self.taken[name] = port
        self._save()

    def repick_lost(self) -> None:
        """Replace every kept port that another program uses now. The stack must not be running."""
        for name, port in list(self.taken.items()):
            if not is_free(port):
                self._pick(name)

    def _pick(self, name: str) -> None:
        candidates = random.sample(FREE_PORTS, 200)
        kept = set(self.taken.values())
        self.put(name, next(port for port in candidates if port not in kept and is_free(port)))

    def _save(self) -> None:
        self.file.write_text(json.dumps(self.taken, indent=2) + "\n")
