"""Uploads: through us, beside a PUT straight to the store and beside the original's multer-s3, in the same run.

`python -m bench.bench_files [--quick]`. 40 MiB each, one at a time and eight at once; `resident` is how much the
serving process grew above what it was before, at its largest.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from time import perf_counter
from uuid import UUID, uuid4

import aiohttp
import psutil
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console
from rich.table import Table

from bench.bench_realtime import NODE, _answers, _free_port, processes
from files.bucket import Bucket, open_bucket
from files.settings import BucketSettings
from switchboard.runtime.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.runtime.identity_keys import new_key, public_set
from switchboard.testing import until
from switchboard.testing.buckets import create_bucket
from switchboard.testing.databases import Databases
from switchboard.testing.servers import Servers, begin_run, end_run, find_servers

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


async def measure(upload: Upload, at_once: int, rounds: int, pid: int | None) -> tuple[float, float]:
    """MB/s, and MiB that the process grew by."""
    process = psutil.Process(pid) if pid else None
    before = process.memory_info().rss if process else 0
    largest = before
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as http:
        began = perf_counter()
        work = [asyncio.create_task(_several(upload, http, rounds)) for _ in range(at_once)]
        while not all(task.done() for task in work):
            await asyncio.wait(work, timeout=0.05)
            largest = max(largest, process.memory_info().rss) if process else 0
        for task in work:
            task.result()
        seconds = perf_counter() - began
    return at_once * rounds * SIZE / 1e6 / seconds, (largest - before) / MIB


async def _several(upload: Upload, http: aiohttp.ClientSession, rounds: int) -> None:
    for _ in range(rounds):
        await upload(http)


async def run(servers: Servers, quick: bool) -> Table:
    store = create_bucket(servers.store)
    databases = Databases(servers.database_url)
    table = Table("", "MB/s, one", "MB/s, eight at once", "resident, eight at once", title="Uploads of 40 MiB")
    rounds = 1 if quick else 3
    async with AsyncExitStack() as stack:
        settings = BucketSettings.model_validate({name.lower(): value for name, value in store.items()})
        bucket = await stack.enter_async_context(open_bucket(settings))
        ours, ours_pid = await _ours(stack, store, databases.fresh("files"))
        multer, multer_pid = await _multer(stack, store)
        kinds = [("straight to the store", direct_upload(bucket), None), ("files", ours, ours_pid)]
        kinds.append(("multer-s3", multer, multer_pid))
        for name, upload, pid in kinds:
            await measure(upload, 1, 1, pid)
            one, _ = await measure(upload, 1, rounds, pid)
            eight, grown = await measure(upload, 8, rounds, pid)
            table.add_row(name, f"{one:,.0f}", f"{eight:,.0f}", f"{grown:,.0f} MiB" if pid else "-")
    databases.close()
    return table


async def _ours(stack: AsyncExitStack, store: dict[str, str], database_url: str) -> tuple[Upload, int]:
    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(public_set([KEY]))

    auth = web.Application()
    auth.router.add_get("/internal/identity-keys", keys)
    auth_server = await stack.enter_async_context(TestServer(auth))
    port = _free_port()
    environment = {
        **store,
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://127.0.0.1:9",
        "AUTH_URLS": str(auth_server.make_url("")).rstrip("/"),
        "LOG_LEVEL": "error",
        "DRAIN_NOTICE": "100ms",
    }
    (pid,) = stack.enter_context(processes([sys.executable, "-m", "files"], 1, environment, [port]))
    await until(lambda: _answers(f"http://127.0.0.1:{port}/readyz", 200), within=30)
    who = Identity(UUID(int=1), UUID(int=2), Role.AGENT, UUID(int=3))
    headers = {IDENTITY_HEADER: IdentitySigner(KEY).sign(who, "files")}
    return form_upload(f"http://127.0.0.1:{port}/api/v1/files", headers), pid


async def _multer(stack: AsyncExitStack, store: dict[str, str]) -> tuple[Upload, int]:
    if not (NODE / "node_modules").exists():
        await asyncio.to_thread(subprocess.run, ["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE, check=True)
    port = _free_port()
    words = [store["S3_ENDPOINT"], store["S3_BUCKET"], store["S3_ACCESS_KEY"], store["S3_SECRET_KEY"]]
    command = ["node", str(NODE / "upload.js"), "{port}", *words]
    (pid,) = stack.enter_context(processes(command, 1, {}, [port]))
    await until(lambda: _answers(f"http://127.0.0.1:{port}/", 404), within=30)
    return form_upload(f"http://127.0.0.1:{port}/files", {}), pid


def main() -> None:
    begin_run()
    try:
        Console().print(asyncio.run(run(find_servers(), "--quick" in sys.argv)))
    finally:
        end_run()


if __name__ == "__main__":
    main()
