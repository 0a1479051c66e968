"""Benchmark fan-out: realtime, plain python-socketio, and the legacy platform's design (Node with the Redis adapter).

`python -m bench.bench_realtime [--quick]`. Two servers of each kind, the same clients and payloads. Realtime is fed
through RabbitMQ, its log and Redis, as in the product; the others emit to their Redis adapters. A burst for realtime
waits in RabbitMQ before the clock starts, so that the publisher is not measured.
"""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.table import Table

from bench.realtime.kinds import KEY, Kind, PlainServers, Switchboard
from bench.realtime.listeners import listen
from switchboard.http.identity_keys import public_set
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel
from switchboard.runtime.terminal import Terminal
from switchboard.testing import until
from switchboard.testing.brokers import VirtualHosts
from switchboard.testing.javascript import NODE, install_packages
from switchboard.testing.network import answers, free_port
from switchboard.testing.servers import PrivateServers, begin_run, end_run, find_servers


class Clients:
    """The process with the Socket.IO clients."""

    def __init__(self) -> None:
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=listen, args=(other,), daemon=True)
        self._process.start()

    async def ask(self, *command: Any) -> Any:
        self._pipe.send(command)
        return await asyncio.to_thread(self._pipe.recv)

    def close(self) -> None:
        self._pipe.send(("end",))
        self._process.join(5)
        self._process.kill()


async def measure(kind: Kind, pids: list[int], size: int, events: int) -> dict[str, str]:
    """Measure a room of `size` clients, then one room for each client, then a low rate."""
    users = [uuid4() for _ in range(size)]
    clients = Clients()
    found: dict[str, str] = {}
    try:
        before = _memory(pids)
        await clients.ask("connect", kind.clients(users))
        await asyncio.sleep(2)
        found["KiB a connection"] = f"{(_memory(pids) - before) / size / 1024:.0f}"

        rate, _ = await _burst(clients, kind, kind.to_all(events), events * size)
        found["to all: deliveries/s"] = f"{rate:,.0f}"
        delays = await _steady(clients, kind, size, per_second=10, seconds=5)
        found["to all, 10/s: p50, p99 ms"] = _spread(delays)
        recipients = [user for _ in range(max(1, 5 * events // size)) for user in users]
        rate, _ = await _burst(clients, kind, kind.to_each(recipients), len(recipients))
        found["own rooms: events/s"] = f"{rate:,.0f}"
        await clients.ask("reset")
        for user in users[:60]:
            await kind.to_each([user])
            await asyncio.sleep(0.05)
        heard = await clients.ask("await", 60, 5)
        found["one at a time: p50, p99 ms"] = _spread(heard[3])
    finally:
        clients.close()
    return found


async def _burst(clients: Clients, kind: Kind, sending: Awaitable[None], wanted: int) -> tuple[float, list[float]]:
    """Return deliveries a second, from the start of delivery to the last event received, and the delays."""
    await clients.ask("reset")
    waiting = asyncio.create_task(clients.ask("await", wanted, 120))
    began = await kind.burst(sending)
    frames, _, last, delays = await waiting
    if frames < wanted:
        return float("nan"), delays
    return frames / (last - began), delays


async def _steady(clients: Clients, kind: Kind, size: int, *, per_second: int, seconds: int) -> list[float]:
    await clients.ask("reset")
    for _ in range(per_second * seconds):
        await kind.to_all(1)
        await asyncio.sleep(1 / per_second)
    return list((await clients.ask("await", size * per_second * seconds, 20))[3])


def _spread(delays: list[float]) -> str:
    if not delays:
        return "-"
    return f"{delays[len(delays) // 2] * 1000:.1f}, {delays[int(len(delays) * 0.99)] * 1000:.1f}"


def _memory(pids: list[int]) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


@contextmanager
def processes(command: list[str], count: int, environment: dict[str, str], ports: list[int]) -> Iterator[list[int]]:
    """Run the command once for each port; `{port}` in it, and PORT, are replaced."""
    started = [
        subprocess.Popen(
            [word.format(port=port) for word in command],
            env={**os.environ, **environment, "PORT": str(port), "APP_INSTANCE_ID": f"bench-{port}"},
            stderr=subprocess.DEVNULL,
        )
        for port in ports[:count]
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(12)
            except subprocess.TimeoutExpired:
                process.kill()


async def run(servers: PrivateServers, size: int, events: int) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for start in (_ours, _plain, _node):
        async with AsyncExitStack() as stack:
            kind, pids = await start(stack, servers)
            found[kind.name] = await measure(kind, pids, size, events)
    return found


async def _ours(stack: AsyncExitStack, servers: PrivateServers) -> tuple[Kind, list[int]]:
    hosts = VirtualHosts(servers.amqp_management_url, servers.amqp_url)
    vhost = hosts.fresh()
    stack.callback(hosts.drop, vhost)
    auth = await stack.enter_async_context(TestServer(_auth()))
    ports = [free_port(), free_port()]
    environment = {
        "AMQP_URL": hosts.url(vhost),
        "REDIS_URL": servers.redis_url,
        "AUTH_URLS": str(auth.make_url("")).rstrip("/"),
        "LOG_LEVEL": "warning",
        "DRAIN_NOTICE": "100ms",
        "SOCKET_BACKLOG_BYTES": str(64 * 1024 * 1024),
    }
    command = [sys.executable, "-m", "realtime"]
    pids = stack.enter_context(processes(command, 2, environment, ports))
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        await until(lambda url=url: answers(f"{url}/health"), within=30)
    broker = Broker(environment["AMQP_URL"], "bench")
    stack.push_async_callback(broker.close)
    channel = ConfirmChannel(await stack.enter_async_context(broker.channel(confirms=True)))
    return Switchboard(urls, channel, uuid4(), pids), pids


async def _plain(stack: AsyncExitStack, servers: PrivateServers) -> tuple[Kind, list[int]]:
    script = Path(__file__).parent / "realtime" / "plain_server.py"
    return await _plain_servers(stack, servers, "python-socketio", [sys.executable, str(script)])


async def _node(stack: AsyncExitStack, servers: PrivateServers) -> tuple[Kind, list[int]]:
    await asyncio.to_thread(install_packages)
    return await _plain_servers(stack, servers, "Node, redis-adapter", ["node", str(NODE / "server.js")])


async def _plain_servers(
    stack: AsyncExitStack, servers: PrivateServers, name: str, command: list[str]
) -> tuple[Kind, list[int]]:
    ports = [free_port(), free_port()]
    pids = stack.enter_context(processes([*command, "{port}", servers.redis_url], 2, {}, ports))
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    for url in urls:
        await until(lambda url=url: answers(f"{url}/socket.io/", None), within=60)
    return PlainServers(urls, name), pids


def _auth() -> web.Application:
    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([KEY]))

    app = web.Application()
    app.router.add_get("/internal/identity-keys", keys)
    return app


def main() -> None:
    quick = "--quick" in sys.argv
    begin_run()
    console = Terminal()
    try:
        servers = find_servers()
        for size, events in ((200, 50),) if quick else ((1000, 300), (4000, 60)):
            found = asyncio.run(run(servers, size, events))
            table = Table("", *found, title=f"{size:,} clients of two servers")
            for row in next(iter(found.values())):
                table.add_row(row, *(results[row] for results in found.values()))
            console.print(table)
    finally:
        end_run()


if __name__ == "__main__":
    main()
