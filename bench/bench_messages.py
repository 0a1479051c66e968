"""Benchmark messages accepted through the API: a second in total, and per core of the service.

`python -m bench.bench_messages [--quick]`. One instance of conversations stores conversation, message, event and
delivery before each 201. The broker is unavailable and the rate limit close to zero, so that only accepting is
measured. "Per core" counts the CPU time of that process, without the database's.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from time import perf_counter
from uuid import UUID

import aiohttp
import psutil
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.table import Table

from bench.bench_realtime import processes
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import new_key, public_set
from switchboard.runtime.terminal import Terminal
from switchboard.testing import until
from switchboard.testing.databases import Databases
from switchboard.testing.network import answers, free_port
from switchboard.testing.servers import PrivateServers, begin_run, end_run, find_servers

KEY = new_key("bench")
AT_ONCE = 32
BODY = "Thursday after five would be great. Could you send me the address again, please?"


async def write(http: aiohttp.ClientSession, url: str, until_: float) -> int:
    """Send messages one after another, and return the number accepted."""
    done = 0
    while perf_counter() < until_:
        async with http.post(url, json={"body": BODY}) as answer:
            assert answer.status == 201, await answer.text()
            await answer.read()
        done += 1
    return done


async def measure(port: int, pid: int, seconds: float) -> tuple[float, float]:
    """Return messages per second, and per CPU second of the process."""
    identity = Identity(UUID(int=1), UUID(int=2), Role.AGENT, UUID(int=3))
    headers = {IDENTITY_HEADER: IdentitySigner(KEY).sign(identity, "conversations")}
    process = psutil.Process(pid)
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:
        urls = [f"http://127.0.0.1:{port}/api/v1/conversations/+1415555{n:04}/messages" for n in range(1, AT_ONCE + 1)]
        await asyncio.gather(*(write(http, url, perf_counter() + 0.5) for url in urls))
        before, began = process.cpu_times(), perf_counter()
        done = sum(await asyncio.gather(*(write(http, url, began + seconds) for url in urls)))
        took, after = perf_counter() - began, process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return done / took, done / used


async def run(servers: PrivateServers, database_url: str, seconds: float) -> tuple[float, float]:
    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([KEY]))

    auth = web.Application()
    auth.router.add_get("/internal/identity-keys", keys)
    async with AsyncExitStack() as stack:
        auth_server = await stack.enter_async_context(TestServer(auth))
        port = free_port()
        environment = {
            "DATABASE_URL": database_url,
            "REDIS_URL": servers.redis_url,
            "AMQP_URL": "amqp://127.0.0.1:9",
            "AUTH_URLS": str(auth_server.make_url("")).rstrip("/"),
            "FILES_URLS": "http://127.0.0.1:9",
            "PROVIDER_RATE": "0.01",
            "LOG_LEVEL": "error",
            "DRAIN_NOTICE": "100ms",
        }
        (pid,) = stack.enter_context(processes([sys.executable, "-m", "conversations"], 1, environment, [port]))
        await until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), within=60)
        return await measure(port, pid, seconds)


def main() -> None:
    begin_run()
    try:
        servers = find_servers()
        databases = Databases(servers.database_url)
        url = databases.fresh("conversations")
        in_all, per_core = asyncio.run(run(servers, url, 3.0 if "--quick" in sys.argv else 10.0))
        databases.drop(url)
        databases.close()
    finally:
        end_run()
    table = Table("messages accepted through the API", "a second")
    table.add_row(f"one instance, {AT_ONCE} clients", f"{in_all:,.0f}")
    table.add_row("the same per core of that instance", f"{per_core:,.0f}")
    Terminal().print(table)


if __name__ == "__main__":
    main()
