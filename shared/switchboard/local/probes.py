"""Whether a server answers, asked in its own protocol with a few bytes: no client library, no credentials kept open."""

import http.client
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlsplit

BOUND = 2.0  # seconds for one answer


class ServerNotReachable(Exception):
    """A server doesn't answer, or not yet as it should."""


def _connection(url: str, default_port: int) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or default_port), BOUND)


def _postgres(url: str) -> None:
    """A start-up message is answered by a request to authenticate only when connections are taken."""
    words = b"user\0switchboard\0database\0postgres\0\0"
    with _connection(url, 5432) as server:
        server.sendall((8 + len(words)).to_bytes(4, "big") + (196_608).to_bytes(4, "big") + words)
        if (answer := server.recv(1)) != b"R" and not _unknown_user(answer, server):
            raise ServerNotReachable("is starting")


def _unknown_user(answer: bytes, server: socket.socket) -> bool:
    """Where everybody is trusted, the user that we made up is refused by name: it takes connections."""
    return answer == b"E" and b"C28000" in server.recv(1000)


def _rabbitmq(url: str) -> None:
    with _connection(url, 5672) as server:
        server.sendall(b"AMQP\0\0\x09\x01")
        if server.recv(1) != b"\x01":
            raise ServerNotReachable("doesn't speak AMQP")


def _redis(url: str) -> None:
    password = unquote(urlsplit(url).password or "")
    with _connection(url, 6379) as server:
        server.sendall((f"AUTH {password}\r\n" if password else "").encode() + b"PING\r\n")
        answer = server.recv(200)
        while answer and answer.count(b"\r\n") < (2 if password else 1):
            answer += server.recv(200)
        if b"+PONG" not in answer:
            raise ServerNotReachable(answer.decode(errors="replace").strip() or "closed the connection")


def _http(url: str) -> None:
    """A path has to answer 200; without one any answer will do: a store refuses what isn't signed."""
    parts = urlsplit(url)
    server = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=BOUND)
    try:
        server.request("GET", parts.path or "/")
        answer = server.getresponse()
        if parts.path and answer.status != 200:
            raise ServerNotReachable(f"answers {answer.status}")
    finally:
        server.close()


def _tcp(url: str) -> None:
    with _connection(url, 443):
        pass


_PROBES: dict[str, Callable[[str], None]] = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "amqp": _rabbitmq,
    "redis": _redis,
    "http": _http,
}


def trouble(url: str) -> str | None:
    """None when the server at this address answers, else why it doesn't."""
    try:
        _PROBES.get(urlsplit(url).scheme, _tcp)(url)
    except (OSError, ServerNotReachable, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    return None


def wait_for(addresses: Mapping[str, str], within: float) -> None:
    """Until every server answers; raises `ServerNotReachable` with the names of those that don't in time."""
    deadline = time.monotonic() + within
    missing = dict(addresses)
    with ThreadPoolExecutor(len(addresses)) as pool:
        while missing:
            troubles = dict(zip(missing, pool.map(trouble, missing.values()), strict=True))
            missing = {name: url for name, url in missing.items() if troubles[name] is not None}
            if missing and time.monotonic() > deadline:
                raise ServerNotReachable("; ".join(f"{name}: {troubles[name]}" for name in missing))
            if missing:
                time.sleep(0.1)
