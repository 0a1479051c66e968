"""A store that a test can kill, and a proxy that lets a test interfere with a store."""

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from switchboard.local.ports import Ports
from switchboard.local.s3_store import Store
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory
from switchboard.testing import until

Answered = Callable[[web.Request, int], Awaitable[None]]
Refuses = Callable[[web.Request], bool]

HOP_HEADERS = ("transfer-encoding", "content-length", "connection")


@dataclass
class PrivateStore:
    """A private store that can be killed and started again."""

    store: Store
    running: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        return self.store.settings

    async def start(self) -> None:
        """Start it with the data that it had, and wait until it answers."""
        program = self.store.program()
        self.running = subprocess.Popen(
            [str(word) for word in program.command], env={**os.environ, **program.environment}
        )
        await until(self._answers, within=30)

    def kill(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None

    async def _answers(self) -> bool:
        try:
            async with aiohttp.ClientSession() as http, http.get(self.settings["S3_ENDPOINT"]):
                return True
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def private_store(folder: Path) -> AsyncIterator[PrivateStore]:
    stack_dir = StackDirectory(folder, throwaway=True)
    stack_dir.create()
    store = Store(stack_dir, Ports.of(folder), Secrets.of(stack_dir.secrets))
    store.prepare()
    own = PrivateStore(store)
    await own.start()
    try:
        yield own
    finally:
        own.kill()


@asynccontextmanager
async def store_proxy(
    store: dict[str, str], answered: Answered | None = None, refuses: Refuses | None = None
) -> AsyncIterator[dict[str, str]]:
    """The same store at another address.

    `answered` is called with the status of each answer before the client gets it. Requests that `refuses` selects are
    answered 500.
    """
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def forward(request: web.Request) -> web.Response:
            if refuses is not None and refuses(request):
                return web.Response(status=500)
            async with http.request(
                request.method,
                URL(f"{store['S3_ENDPOINT']}{request.raw_path}", encoded=True),
                headers=request.headers,  # the Host too, which is signed
                data=await request.read(),
                skip_auto_headers=("Content-Type", "User-Agent"),
            ) as answer:
                body = await answer.read()
            if answered is not None:
                await answered(request, answer.status)
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_HEADERS}
            if request.method == "HEAD":
                headers["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, body=body, headers=headers)

        app = web.Application(client_max_size=100 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", forward)
        async with TestServer(app) as server:
            yield {**store, "S3_ENDPOINT": str(server.make_url("")).rstrip("/")}
