"""Uploads through the service, as multipart forms."""

import asyncio
from collections.abc import Callable
from hashlib import sha256

import pytest

from switchboard.testing import becomes, until

from .client import ANNA, PNG, FilesClient, digest, form_around, noise, open_client, trickle

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 1000, 5 * MIB - 1, 5 * MIB + 5000, 40 * MIB])
async def test_an_uploaded_file_is_downloaded_by_a_signed_url(client: FilesClient, size: int) -> None:
    content = noise(size)

    answer = await client.upload(content, "offer.bin")

    assert answer.status == 201, answer.body
    assert (answer.body["size"], answer.body["sha256"]) == (size, digest(content))
    assert (answer.body["name"], answer.body["uploaded_by"]) == ("offer.bin", str(ANNA.user_id))
    shown = await client.call(ANNA, "GET", f"/files/{answer.body['id']}")
    status, body, headers = await client.download(shown.body["download_url"])
    assert (status, digest(body)) == (200, digest(content))
    assert headers["Content-Disposition"] == "attachment; filename=\"offer.bin\"; filename*=UTF-8''offer.bin"


@pytest.mark.parametrize("size", [1000, 6 * MIB])
async def test_a_form_without_a_final_line_break_keeps_the_whole_file(client: FilesClient, size: int) -> None:
    content = noise(size)
    start, end = form_around("a.bin")
    headers = {**client.headers(ANNA), "Content-Type": "multipart/form-data; boundary=b"}

    async with client.http.post(
        f"{client.url}/api/v1/files", data=start + content + end.removesuffix(b"\r\n"), headers=headers
    ) as answer:
        made = await answer.json()

    assert (answer.status, made["size"], made["sha256"]) == (201, size, digest(content))
    async with client.bucket.read(made["key"]) as chunks:
        assert digest(b"".join([chunk async for chunk in chunks])) == digest(content)
    assert await client.objects() == [made["key"]]


@pytest.mark.parametrize("size", [10, 12 * MIB])
async def test_a_file_of_unknown_length_is_uploaded_in_parts(client: FilesClient, size: int) -> None:
    content = noise(size)

    answer = await client.upload(trickle(content))

    assert (answer.status, answer.body["sha256"]) == (201, digest(content))
    async with client.bucket.read(answer.body["key"]) as chunks:
        assert digest(b"".join([chunk async for chunk in chunks])) == digest(content)


@pytest.mark.parametrize("known", [True, False])
async def test_one_byte_over_the_limit_is_refused_and_nothing_stays(client: FilesClient, known: bool) -> None:
    limit = client.settings.max_upload_bytes
    content = noise(limit + 1)

    answer = await client.upload(content if known else trickle(content))

    assert (answer.status, answer.body["code"]) == (413, "too_large")
    await becomes(client.rows, [])
    await becomes(client.objects, [])


async def test_a_file_of_exactly_the_limit_is_accepted(client: FilesClient) -> None:
    answer = await client.upload(noise(client.settings.max_upload_bytes))

    assert answer.status == 201, answer.body


@pytest.mark.parametrize("known", [True, False])
async def test_too_large_is_answered_while_the_client_still_sends(
    database_url: Callable[[str], str], bucket: dict[str, str], known: bool
) -> None:
    async with open_client(database_url("files"), bucket, max_upload_bytes=6 * MIB) as client:
        reader, writer = await begin_upload(client, 6 * MIB + 1000 if known else None)
        frame = (lambda piece: piece) if known else framed

        await send(writer, noise(6 * MIB + 1), frame)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length = next(line for line in head.decode().split("\r\n") if line.startswith("Content-Length:"))
        body = await reader.readexactly(int(length.partition(":")[2]))
        await send(writer, noise(900), frame)
        writer.close()

        assert head.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"too_large"' in body
        await becomes(client.rows, [])
        await becomes(client.objects, [])


@pytest.mark.parametrize("sent", [100_000, 30 * MIB])
async def test_an_aborted_upload_leaves_nothing(client: FilesClient, sent: int) -> None:
    _, writer = await begin_upload(client, 40 * MIB)
    await send(writer, noise(sent))
    await until(client.rows)

    writer.transport.abort()

    await becomes(client.rows, [])
    await becomes(client.objects, [])


async def begin_upload(client: FilesClient, announced: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a request for a file of this length, or of unknown length, and none of its bytes."""
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    start, end = form_around("a.bin")
    length = f"Content-Length: {len(start) + announced + len(end)}" if announced else "Transfer-Encoding: chunked"
    headers = "".join(f"{name}: {value}\r\n" for name, value in client.headers(ANNA).items())
    writer.write(
        f"POST /api/v1/files HTTP/1.1\r\nHost: x\r\n{length}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\n{headers}\r\n".encode()
    )
    writer.write(start if announced else framed(start))
    return reader, writer


async def send(
    writer: asyncio.StreamWriter, content: bytes, frame: Callable[[bytes], bytes] = lambda piece: piece
) -> None:
    for at in range(0, len(content), MIB):
        writer.write(frame(content[at : at + MIB]))
        await writer.drain()


def framed(piece: bytes) -> bytes:
    """A chunk of the chunked transfer encoding."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def test_same_idempotency_key_and_content_make_one_file(client: FilesClient) -> None:
    first = await client.upload(PNG, "a.png", key="k1")
    again = await client.upload(PNG, "a.png", key="k1")
    other = await client.upload(PNG + b"!", "a.png", key="k1")

    assert (again.status, again.body) == (201, first.body)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert [str(row["id"]) for row in await client.rows() if row["state"] == "stored"] == [first.body["id"]]
    await becomes(client.objects, [first.body["key"]])


async def test_an_idempotency_key_used_before_an_update_answers_the_same(client: FilesClient) -> None:
    fingerprint = sha256(f"a.png\nlead\n42\n{digest(PNG)}".encode()).digest()  # as every version has stored it
    await client.execute(
        "insert into idempotency_keys (tenant_id, user_id, route, key, body_hash, status, response) "
        "values ($1, $2, 'POST /api/v1/files', 'k1', $3, 201, $4)",
        ANNA.tenant_id,
        ANNA.user_id,
        fingerprint,
        b'{"id":"of the first upload"}',
    )

    answer = await client.upload(PNG, "a.png", key="k1")
    other = await client.upload(PNG, "b.png", key="k1")

    assert (answer.status, answer.body) == (201, {"id": "of the first upload"})
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    await becomes(client.rows, [])
    await becomes(client.objects, [])
