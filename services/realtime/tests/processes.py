"""Realtime instances and a Redis as processes of their own, which tests may kill."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from switchboard.http.identity_keys import new_key, public_set
from switchboard.testing import until
from switchboard.testing.network import free_port

AUTH_TENANT = UUID(int=1)
"""The tenant of all users of `permissive_auth`."""


class Process:
    """A program that can be killed and started again."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Stop it by a signal. Returns its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(by)
        return await self._process.wait()


@asynccontextmanager
async def private_redis(folder: Path) -> AsyncIterator[tuple[Process, str]]:
    """Start a Redis that syncs its append-only file each second."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    options = ["--port", str(port), "--dir", str(folder), "--appendonly", "yes", "--appendfsync", "everysec"]
    process = Process(["redis-server", *options, "--save", ""], {}, folder / "redis.log")
    await process.start()
    await until(lambda: _answers(url))
    try:
        yield process, url
    finally:
        await process.end()


@asynccontextmanager
async def realtime(folder: Path, name: str, **environment: str) -> AsyncIterator[tuple[Process, str]]:
    """Start an instance, and wait until it is ready."""
    port = free_port()
    settings = {"APP_INSTANCE_ID": name, "PORT": str(port), "DRAIN_NOTICE": "100ms", **environment}
    process = Process([sys.executable, "-m", "realtime"], settings, folder / f"{name}.log")
    await process.start()
    url = f"http://127.0.0.1:{port}"
    await until(lambda: _is_ready(url), within=30)
    try:
        yield process, url
    finally:
        await process.end()


async def _answers(url: str) -> bool:
    try:
        async with Redis.from_url(url) as client:
            return bool(await client.ping())
    except Exception as error:
        raise AssertionError(error) from None


async def _is_ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/health") as answer:
            assert answer.status == 200, await answer.text()
            return True
    except aiohttp.ClientError as error:
        raise AssertionError(error) from None


@asynccontextmanager
async def permissive_auth() -> AsyncIterator[str]:
    """A fake of auth that accepts every token: it is the id of the user."""

    async def resolve(request: web.Request) -> web.Response:
        token = (await request.json())["token"]
        ids = {"user_id": token, "session_id": token, "tenant_id": str(AUTH_TENANT)}
        return web.json_response({**ids, "role": "agent", "version": 1, "expires_at": "2099-01-01T00:00:00Z"})

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([new_key("test")]))

    app = web.Application()
    app.router.add_post("/internal/sessions/resolve", resolve)
    app.router.add_get("/internal/identity-keys", keys)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
