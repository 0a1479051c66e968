"""A process of files that a test can kill."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from switchboard.http.identity_keys import public_set
from switchboard.testing import until

from .client import KEY


@asynccontextmanager
async def start_files_process(
    database_url: str, store: dict[str, str], amqp_url: str, **settings: str
) -> AsyncIterator[tuple[subprocess.Popen[bytes], str]]:
    """A process that is ready, and its URL."""

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([KEY]))

    auth = web.Application()
    auth.router.add_get("/internal/identity-keys", keys)
    port = unused_port()
    url = f"http://127.0.0.1:{port}"
    async with TestServer(auth) as auth_server:
        environment = {
            **os.environ,
            **store,
            "APP_INSTANCE_ID": "files-1",
            "PORT": str(port),
            "DATABASE_URL": database_url,
            "AMQP_URL": amqp_url,
            "AUTH_URLS": str(auth_server.make_url("")).rstrip("/"),
            "LOG_LEVEL": "warning",
            "DRAIN_NOTICE": "50ms",
            **settings,
        }
        running = subprocess.Popen([sys.executable, "-m", "files"], env=environment)
        try:
            await until(lambda: _is_ready(url), within=45)
            yield running, url
        finally:
            running.kill()
            running.wait()


async def _is_ready(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
