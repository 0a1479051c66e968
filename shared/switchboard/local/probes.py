"""Probe whether a server answers, with a few bytes of its own protocol and no client library."""

import http.client
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlsplit

from switchboard.runtime.server_urls import urls_of_hosts

TIMEOUT = 2.0  # seconds for one answer
DEFAULT_PORTS = {"amqps": 5671, "rediss": 6379, "redis+sentinel": 26379, "rediss+sentinel": 26379}


class ServerNotReachable(Exception):
    """A server does not answer, or is not ready yet."""


def _connection(url: str, default_port: int) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or default_port), TIMEOUT)


def _postgres(url: str) -> None:
    """Send a start-up message: a server that accepts connections asks to authenticate."""
    parameters = b"user\0switchboard\0database\0postgres\0\0"
    with _connection(url, 5432) as server:
        server.sendall((8 + len(parameters)).to_bytes(4, "big") + (196_608).to_bytes(4, "big") + parameters)
        if (answer := server.recv(1)) != b"R" and not _unknown_user(answer, server):
            raise ServerNotReachable("is starting")


def _unknown_user(answer: bytes, server: socket.socket) -> bool:
    """Recognise a server without authentication: it accepts connections, and refuses the invented user by name."""
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
    """Send a GET: a path must answer 200; without a path any answer counts, since a store refuses unsigned requests."""
    parts = urlsplit(url)
    server = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port or 80, timeout=TIMEOUT)
    try:
        server.request("GET", parts.path or "/")
        answer = server.getresponse()
        if parts.path and answer.status != 200:
            raise ServerNotReachable(f"answers {answer.status}")
    finally:
        server.close()


def _tcp(url: str) -> None:
    with _connection(url, DEFAULT_PORTS.get(urlsplit(url).scheme, 443)):
        pass


_PROBES: dict[str, Callable[[str], None]] = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "amqp": _rabbitmq,
    "redis": _redis,
    "http": _http,
}


def failure(url: str) -> str | None:
    """Return why the server at this address does not answer, or None if it does. One of several hosts is enough."""
    failures = []
    for one in urls_of_hosts(url):
        try:
            _PROBES.get(urlsplit(one).scheme, _tcp)(one)
        except (OSError, ServerNotReachable, http.client.HTTPException) as error:
            failures.append(str(error) or type(error).__name__)
        else:
            return None
    return "; ".join(failures)


def wait_for(addresses: Mapping[str, str], within: float) -> None:
    """Wait until every server answers. Raises `ServerNotReachable` with the names of those that don't in time."""
    deadline = time.monotonic() + within
    missing = dict(addresses)
    with ThreadPoolExecutor(len(addresses)) as pool:
        while missing:
            failures = dict(zip(missing, pool.map(failure, missing.values()), strict=True))
            missing = {name: url for name, url in missing.items() if failures[name] is not None}
            if missing and time.monotonic() > deadline:
                raise ServerNotReachable("; ".join(f"{name}: {failures[name]}" for name in missing))
            if missing:
                time.sleep(0.1)
