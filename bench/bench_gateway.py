"""Benchmark the gateway against no proxy, nginx, and a plain aiohttp proxy with the same checks, in one run.

`python -m bench.bench_gateway [--quick]`. Needs redis-server; nginx is left out where it isn't installed. The
gateway checks the session in Redis, counts the request and signs the identity; nginx forwards without any check.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import psutil
import redis
from rich.table import Table

from switchboard.http.identity_keys import new_key
from switchboard.runtime.terminal import Terminal
from switchboard.testing.network import free_port

TOKEN = "a-token-of-the-benchmark"
PATH = "/api/v1/reminders"
SOCKET = "/socket.io/?EIO=4&transport=websocket"
CONNECTIONS = (1, 32, 256)

NGINX = """
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  upstream service {{ server 127.0.0.1:{service}; keepalive 512; keepalive_requests 1000000; }}
  map $http_upgrade $connection_header {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_header;
    }}
  }}
}}
"""

Figures = dict[str, float]


def run(seconds: float) -> dict[tuple[str, str, int], Figures]:
    """Return {(measurement, way, connections): figures}."""
    figures: dict[tuple[str, str, int], Figures] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ways, parts = stack.enter_context(_everything(directory))
        for connections in CONNECTIONS:
            for way, port in ways.items():
                token = TOKEN if way != "direct" else ""
                base = f"http://127.0.0.1:{port}"
                _measure("bench.gateway.load", base + PATH, connections, 0.5, token)
                figures["requests", way, connections] = _measure(
                    "bench.gateway.load", base + PATH, connections, seconds, token, hop=parts[way]
                )
                if way != "plain":
                    figures["echoes", way, connections] = _measure(
                        "bench.gateway.sockets", base + SOCKET, connections, seconds, hop=parts[way]
                    )
    return figures


def table(figures: dict[tuple[str, str, int], Figures]) -> Table:
    """Format the figures; ratios are to the gateway's row with as many connections."""
    shown = Table(
        "what", "connections", "way", "per second", "p50 ms", "p99 ms", "hop's CPU µs", "gateway's share", "failed"
    )
    for (measurement, way, connections), one in sorted(
        figures.items(), key=lambda item: (item[0][0] == "echoes", item[0][2])
    ):
        ours = figures[measurement, "gateway", connections]
        shown.add_row(
            measurement, str(connections), way, f"{one['rps']:,.0f}", f"{one['p50']:.3f}", f"{one['p99']:.3f}",
            f"{one['cpu']:.0f}",            f"{ours['rps'] / one['rps']:.2f}", f"{one['failures']:.0f}",
        )  # fmt: skip
    return shown


@contextmanager
def _everything(directory: Path) -> Iterator[tuple[dict[str, int], dict[str, psutil.Process]]]:
    """Start all processes; yield {way: port} and {way: process of that way}."""
    ports = {name: free_port() for name in ("direct", "nginx", "gateway", "plain", "redis")}
    redis_url = f"redis://127.0.0.1:{ports['redis']}/0"
    keys = directory / "keys.json"
    keys.write_text(json.dumps({"keys": [new_key("bench").as_dict(private=True)]}))
    service = f"http://127.0.0.1:{ports['direct']}"
    urls = {f"{name}_URLS": service for name in ("AUTH", "FILES", "CONVERSATIONS", "SCHEDULER", "REALTIME")}
    gateway = {
        **urls,
        "PORT": str(ports["gateway"]),
        "REDIS_URL": redis_url,
        "IDENTITY_KEY_FILE": str(keys),
        "LOG_LEVEL": "warning",
        "RATE_LIMIT_USER": "1000000",
        "RATE_LIMIT_ADDRESS": "1000000",
        "DRAIN_NOTICE": "0s",
    }
    python = sys.executable
    with ExitStack() as stack:
        _started(stack, ["redis-server", "--port", str(ports["redis"]), "--save", "", "--dir", str(directory)])
        plain = ["bench.gateway.plain_proxy", str(ports["plain"]), service, redis_url, str(keys)]
        parts = {
            "direct": _started(stack, [python, "-m", "bench.gateway.service", str(ports["direct"])]),
            "gateway": _started(stack, [python, "-m", "api_gateway"], gateway),
            "plain": _started(stack, [python, "-m", *plain]),
        }
        if shutil.which("nginx"):
            config = directory / "nginx.conf"
            config.write_text(NGINX.format(directory=directory, service=ports["direct"], port=ports["nginx"]))
            parts["nginx"] = _started(stack, ["nginx", "-c", str(config), "-e", str(directory / "error.log")])
        else:
            del ports["nginx"]
        for port in ports.values():
            _wait_for(port)
        _sign_in(redis_url)
        time.sleep(1)  # the gateway's first look at its upstreams
        del ports["redis"]
        yield ports, parts


def _sign_in(redis_url: str) -> None:
    """Fill the cache of sessions as auth and the gateways do."""
    tenant = str(uuid4())
    session = {
        "state": "live",
        "session_id": str(uuid4()),
        "user_id": str(uuid4()),
        "tenant_id": tenant,
        "role": "agent",
        "version": 1,
        "expires_at": "2100-01-01T00:00:00Z",
    }
    with redis.Redis.from_url(redis_url) as client:
        client.set(f"session:{sha256(TOKEN.encode()).hexdigest()}", json.dumps(session))
        client.set(f"tenant:{tenant}", json.dumps({"status": "active", "trial_ends_at": None}))


def _measure(
    module: str, url: str, connections: int, seconds: float, token: str = "", hop: psutil.Process | None = None
) -> Figures:
    words = [sys.executable, "-m", module, url, str(connections), str(seconds), *([token] if token else [])]
    before = _cpu_seconds(hop)
    figures: Figures = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return figures | {"cpu": (_cpu_seconds(hop) - before) / figures["count"] * 1e6}


def _cpu_seconds(hop: psutil.Process | None) -> float:
    """Return the CPU seconds of the process and its children: nginx works in a child."""
    if hop is None:
        return 0.0
    return sum(sum(process.cpu_times()[:2]) for process in [hop, *hop.children()])


def _started(stack: ExitStack, words: list[str], environment: dict[str, str] | None = None) -> psutil.Process:
    process = subprocess.Popen(
        words, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL, start_new_session=True
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return psutil.Process(process.pid)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def main() -> None:
    seconds = 1.0 if "--quick" in sys.argv else 4.0
    Terminal().print(table(run(seconds)))


if __name__ == "__main__":
    main()
