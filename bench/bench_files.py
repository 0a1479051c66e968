"""Benchmark uploads: through files, directly to the store, and through the legacy platform's multer-s3, in one run.

`python -m bench.bench_files [--quick]`. 40 MiB each, one at a time and eight at once, the ways in turn; the median of
all rounds, and in brackets its ratio to the direct way. `resident` is the largest growth of the serving process over
its idle size, for each concurrent upload.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from uuid import UUID, uuid4

import aiohttp
import psutil
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.table import Table

from bench.bench_realtime import processes
from files.adapters.bucket import Bucket, open_bucket
from files.settings import BucketSettings
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import new_key, public_set
from switchboard.runtime.terminal import Terminal
from switchboard.testing import until
from switchboard.testing.buckets import create_bucket
from switchboard.testing.databases import Databases
from switchboard.testing.javascript import NODE, install_packages
from switchboard.testing.network import answers, free_port
from switchboard.testing.servers import PrivateServers, begin_run, end_run, find_servers

MIB = 1024 * 1024
SIZE = 40 * MIB
BLOCK = os.urandom(256 * 1024)
KEY = new_key("bench")

Upload = Callable[[aiohttp.ClientSession], Awaitable[None]]


async def body() -> AsyncIterator[bytes]:
    for _ in range(SIZE // len(BLOCK)):
        yield BLOCK


async def _form() -> AsyncIterator[bytes]:
    yield HEAD
    async for block in body():
        yield block
    yield TAIL


HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="entity_type"\r\n\r\nlead\r\n'
    b'--b\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
)
DIRECT = "directly to the store"
TAIL = b"\r\n--b--\r\n"


def form_upload(url: str, headers: dict[str, str]) -> Upload:
    length = {"Content-Length": str(len(HEAD) + SIZE + len(TAIL)), "Content-Type": "multipart/form-data; boundary=b"}

    async def upload(http: aiohttp.ClientSession) -> None:
        async with http.post(url, data=_form(), headers={**headers, **length}) as answer:
            assert answer.status == 201, await answer.text()

    return upload


def direct_upload(bucket: Bucket) -> Upload:
    async def upload(http: aiohttp.ClientSession) -> None:
        content_type = "application/octet-stream"
        url = await bucket.signed_upload(f"incoming/{uuid4()}", size=SIZE, content_type=content_type, seconds=600)
        headers = {"Content-Type": content_type, "Content-Length": str(SIZE)}
        async with http.put(url, data=body(), headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    return upload


async def measure(upload: Upload, at_once: int, pid: int | None) -> tuple[float, float]:
    """Return MB/s, and the largest resident size of the process in MiB."""
    largest = resident(pid)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as http:
        began = perf_counter()
        work = [asyncio.ensure_future(upload(http)) for _ in range(at_once)]
        while not all(task.done() for task in work):
            await asyncio.wait(work, timeout=0.05)
            largest = max(largest, resident(pid))
        for task in work:
            task.result()
        seconds = perf_counter() - began
    return at_once * SIZE / 1e6 / seconds, largest


def resident(pid: int | None) -> float:
    """Return the resident size of the process in MiB."""
    return psutil.Process(pid).memory_info().rss / MIB if pid else 0.0


async def run(servers: PrivateServers, quick: bool) -> Table:
    store = create_bucket(servers.store)
    databases = Databases(servers.database_url)
    rounds = 2 if quick else 5
    async with AsyncExitStack() as stack:
        settings = BucketSettings.model_validate({name.lower(): value for name, value in store.items()})
        bucket = await stack.enter_async_context(open_bucket(settings))
        ours, ours_pid = await _ours(stack, store, databases.fresh("files"))
        multer, multer_pid = await _multer(stack, store)
        ways = ((DIRECT, direct_upload(bucket), None), ("files", ours, ours_pid), ("multer-s3", multer, multer_pid))
        kinds = [Kind(name, upload, pid, resident(pid)) for name, upload, pid in ways]
        for kind in kinds:
            await measure(kind.upload, 1, kind.pid)
        for _ in range(rounds):  # in turn, so that other load on the machine affects all ways alike
            for kind in kinds:
                kind.one.append(await measure(kind.upload, 1, kind.pid))
                kind.eight.append(await measure(kind.upload, 8, kind.pid))
    databases.close()
    return _table(kinds)


@dataclass
class Kind:
    """One way to upload, and its measurements."""

    name: str
    upload: Upload
    pid: int | None
    before: float  # resident MiB of the idle process
    one: list[tuple[float, float]] = field(default_factory=list)
    eight: list[tuple[float, float]] = field(default_factory=list)

    def speed(self, at_once: int) -> float:
        return median(speed for speed, _ in (self.one if at_once == 1 else self.eight))

    def row(self, at_once: int, direct: "Kind") -> str:
        return f"{self.speed(at_once):,.0f} ({self.speed(at_once) / direct.speed(at_once):.2f})"


def _table(kinds: list[Kind]) -> Table:
    table = Table(
        "", "MB/s, one", "MB/s, eight at once", "resident, each of eight", title=f"Uploads of {SIZE // MIB} MiB"
    )
    for kind in kinds:
        grown = (max(largest for _, largest in kind.eight) - kind.before) / 8
        table.add_row(kind.name, kind.row(1, kinds[0]), kind.row(8, kinds[0]), f"{grown:,.1f} MiB" if kind.pid else "-")
    return table


async def _ours(stack: AsyncExitStack, store: dict[str, str], database_url: str) -> tuple[Upload, int]:
    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([KEY]))

    auth = web.Application()
    auth.router.add_get("/internal/identity-keys", keys)
    auth_server = await stack.enter_async_context(TestServer(auth))
    port = free_port()
    environment = {
        **store,
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://127.0.0.1:9",
        "AUTH_URLS": str(auth_server.make_url("")).rstrip("/"),
        "LOG_LEVEL": "error",
        "DRAIN_NOTICE": "100ms",
    }
    (pid,) = stack.enter_context(processes([sys.executable, "-m", "files"], 1, environment, [port]))
    await until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), within=30)
    identity = Identity(UUID(int=1), UUID(int=2), Role.AGENT, UUID(int=3))
    headers = {IDENTITY_HEADER: IdentitySigner(KEY).sign(identity, "files")}
    return form_upload(f"http://127.0.0.1:{port}/api/v1/files", headers), pid


async def _multer(stack: AsyncExitStack, store: dict[str, str]) -> tuple[Upload, int]:
    await asyncio.to_thread(install_packages)
    port = free_port()
    words = [store["S3_ENDPOINT"], store["S3_BUCKET"], store["S3_ACCESS_KEY"], store["S3_SECRET_KEY"]]
    command = ["node", str(NODE / "upload.js"), "{port}", *words]
    (pid,) = stack.enter_context(processes(command, 1, {}, [port]))
    await until(lambda: answers(f"http://127.0.0.1:{port}/", 404), within=30)
    return form_upload(f"http://127.0.0.1:{port}/files", {}), pid


def main() -> None:
    begin_run()
    try:
        Terminal().print(asyncio.run(run(find_servers(), "--quick" in sys.argv)))
    finally:
        end_run()


if __name__ == "__main__":
    main()
