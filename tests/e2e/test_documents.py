"""Uploads at one gateway, downloads by a signed URL, and the cleanup of interrupted uploads."""

import asyncio
import os
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from switchboard.testing import becomes, until
from switchboard.testing.buckets import client
from switchboard.testing.stack import RunningStack

from .client import User

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

MIB = 1024 * 1024
LIMIT = 50 * MIB
HEAD = (
    b'--b\r\nContent-Disposition: form-data; name="entity_type"\r\n\r\nlead\r\n'
    b'--b\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\n42\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="offer.bin"\r\n\r\n'
)
TAIL = b"\r\n--b--\r\n"


def noise(size: int) -> bytes:
    return (os.urandom(1021) * (size // 1021 + 1))[:size]


async def upload(user: User, content: bytes, gateway: int) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "multipart/form-data; boundary=b"}
    url = f"{user.gateways[gateway]}/api/v1/files"
    async with user.http.post(url, data=HEAD + content + TAIL, headers=headers) as answer:
        body: dict[str, Any] = await answer.json()
        assert answer.status == 201, body
        return body


async def download(user: User, url: str) -> bytes:
    async with user.http.get(url) as answer:
        assert answer.status == 200
        return await answer.read()


async def begin_upload(user: User, announced: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open an upload request that announces so many bytes, without sending the file."""
    address = urlsplit(user.gateways[0])
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        f"POST /api/v1/files HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {user.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(HEAD) + announced + len(TAIL)}\r\n\r\n".encode()
        + HEAD
    )
    return reader, writer


async def send(writer: asyncio.StreamWriter, content: bytes) -> None:
    for at in range(0, len(content), MIB):
        writer.write(content[at : at + MIB])
        await writer.drain()


async def rows_and_objects(stack: RunningStack, tenant: str) -> tuple[int, list[str]]:
    """Return the number of rows, and the keys of the objects, of a tenant."""
    settings = stack.environment("files")
    database = await asyncpg.connect(settings["DATABASE_URL"])
    try:
        rows = await database.fetchval("select count(*) from files where tenant_id::text = $1", tenant)
    finally:
        await database.close()
    s3 = client(settings)
    of_tenant = {"Bucket": settings["S3_BUCKET"], "Prefix": f"documents/{tenant}/"}
    found = await asyncio.to_thread(s3.list_objects_v2, **of_tenant)
    parts = await asyncio.to_thread(s3.list_multipart_uploads, **of_tenant)
    return rows, [o["Key"] for o in (*found.get("Contents", ()), *parts.get("Uploads", ()))]


async def tenant_of(user: User) -> str:
    return str((await user.ask("GET", "/auth/me")).body["tenant"]["id"])


async def test_a_40_mib_upload_is_downloaded_by_the_other_gateways_signed_url(anna: User) -> None:
    content = noise(40 * MIB)

    made = await upload(anna, content, gateway=0)

    shown = (await anna.ask("GET", f"/files/{made['id']}", gateway=1)).body
    assert made["sha256"] == sha256(content).hexdigest()
    assert sha256(await download(anna, shown["download_url"])).hexdigest() == made["sha256"]
    assert sha256(await download_as_a_browser(anna, made["id"])).hexdigest() == made["sha256"]


async def download_as_a_browser(user: User, file_id: str) -> bytes:
    """Download by following the redirect, without the session's header."""
    headers = {"Authorization": f"Bearer {user.token}"}
    url = f"{user.gateways[1]}/api/v1/files/{file_id}/content"
    async with user.http.get(url, headers=headers, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (302, "nosniff")
        return await download(user, answer.headers["Location"])


async def test_an_upload_announced_at_one_gateway_is_completed_at_the_other(anna: User) -> None:
    content = noise(6 * MIB)
    wanted = {"name": "a.bin", "size": len(content), "content_type": "application/octet-stream"}
    announced = await anna.ask("POST", "/files/uploads", {**wanted, "entity_type": "lead", "entity_id": "1"}, gateway=0)
    assert announced.status == 201, announced.body
    assert announced.body["url"].startswith(f"{anna.gateways[0]}/s3/")  # the URL that a browser can reach

    async with anna.http.put(announced.body["url"], data=content, headers=announced.body["headers"]) as answer:
        assert answer.status == 200, await answer.text()
    done = await anna.ask("POST", f"/files/uploads/{announced.body['id']}/complete", gateway=1)

    assert (done.status, done.body["sha256"]) == (201, sha256(content).hexdigest())


async def test_an_upload_over_the_limit_is_refused_while_the_client_sends(stack: RunningStack, anna: User) -> None:
    tenant = await tenant_of(anna)
    reader, writer = await begin_upload(anna, announced=LIMIT + 64 * 1024)

    await send(writer, noise(LIMIT + 1))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    length = next(line for line in head.decode().lower().split("\r\n") if line.startswith("content-length:"))
    body = await reader.readexactly(int(length.partition(":")[2]))
    await send(writer, noise(32 * 1024))

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head
    assert b'"code":"too_large"' in body
    writer.close()
    await becomes(lambda: rows_and_objects(stack, tenant), (0, []), within=30)


async def test_an_interrupted_upload_leaves_no_data(stack: RunningStack, anna: User) -> None:
    tenant = await tenant_of(anna)
    _, writer = await begin_upload(anna, announced=40 * MIB)
    await send(writer, noise(20 * MIB))

    async def is_under_way() -> bool:
        return (await rows_and_objects(stack, tenant))[0] == 1

    await until(is_under_way, within=30)
    writer.transport.abort()

    await becomes(lambda: rows_and_objects(stack, tenant), (0, []), within=30)


@pytest.mark.slow
async def test_killed_processes_lose_no_acknowledged_document(stack: RunningStack, anna: User) -> None:
    contents = [noise(size) for size in (1000, 300_000, 7 * MIB)]
    answered: list[tuple[str, str]] = []
    ending = asyncio.Event()

    async def go_on(number: int) -> None:
        while not ending.is_set():
            number += 1
            content = contents[number % len(contents)]
            try:
                made = await upload(anna, content, gateway=number % 2)
            except (aiohttp.ClientError, TimeoutError, AssertionError):
                await asyncio.sleep(0.2)
                continue
            answered.append((made["id"], sha256(content).hexdigest()))

    workers = [asyncio.create_task(go_on(number)) for number in range(4)]
    for instance in ("files-1", "files-2", "files-1"):
        before = len(answered)
        await until(lambda before=before: len(answered) >= before + 5, within=60)
        stack.kill(instance)
        await becomes(lambda instance=instance: stack.is_healthy(instance), True, within=120)
    ending.set()
    await asyncio.gather(*workers)

    for file_id, digest in answered:
        shown = (await anna.ask("GET", f"/files/{file_id}")).body
        assert sha256(await download(anna, shown["download_url"])).hexdigest() == digest
    listed = (await anna.ask("GET", "/files?limit=200")).body
    assert {file_id for file_id, _ in answered} <= {file["id"] for file in listed["items"]} or listed["next_cursor"]
