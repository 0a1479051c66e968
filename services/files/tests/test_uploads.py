"""Uploading through us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from switchboard.testing import becomes, until

from .stores import passing_on
from .world import ANNA, LEAD, PNG, STRANGER, World, digest, form_around, noise, open_world, trickle

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 1000, 5 * MIB - 1, 5 * MIB + 5000, 40 * MIB])
async def test_what_is_uploaded_comes_back_by_a_signed_url(world: World, size: int) -> None:
    content = noise(size)

    answer = await world.upload(content, "offer.bin")

    assert answer.status == 201, answer.body
    assert (answer.body["size"], answer.body["sha256"]) == (size, digest(content))
    assert (answer.body["name"], answer.body["uploaded_by"]) == ("offer.bin", str(ANNA.user_id))
    shown = await world.call(ANNA, "GET", f"/files/{answer.body['id']}")
    status, body, headers = await world.download(shown.body["download_url"])
    assert (status, digest(body)) == (200, digest(content))
    assert headers["Content-Disposition"] == "attachment; filename=\"offer.bin\"; filename*=UTF-8''offer.bin"


@pytest.mark.parametrize("size", [1000, 6 * MIB])
async def test_a_form_without_a_line_break_at_its_end_brings_all_of_its_file(world: World, size: int) -> None:
    content = noise(size)
    start, end = form_around("a.bin")
    headers = {**world.headers(ANNA), "Content-Type": "multipart/form-data; boundary=b"}

    async with world.http.post(
        f"{world.url}/api/v1/files", data=start + content + end.removesuffix(b"\r\n"), headers=headers
    ) as answer:
        made = await answer.json()

    assert (answer.status, made["size"], made["sha256"]) == (201, size, digest(content))
    async with world.bucket.read(made["key"]) as chunks:
        assert digest(b"".join([chunk async for chunk in chunks])) == digest(content)
    assert await world.objects() == [made["key"]]


@pytest.mark.parametrize("size", [10, 12 * MIB])
async def test_a_file_whose_length_nobody_tells_is_taken_in_parts(world: World, size: int) -> None:
    content = noise(size)

    answer = await world.upload(trickle(content))

    assert (answer.status, answer.body["sha256"]) == (201, digest(content))
    async with world.bucket.read(answer.body["key"]) as chunks:
        assert digest(b"".join([chunk async for chunk in chunks])) == digest(content)


@pytest.mark.parametrize("known", [True, False])
async def test_one_byte_over_the_limit_is_refused_and_nothing_stays(world: World, known: bool) -> None:
    limit = world.settings.max_upload_bytes
    content = noise(limit + 1)

    answer = await world.upload(content if known else trickle(content))

    assert (answer.status, answer.body["code"]) == (413, "too_large")
    await becomes(world.rows, [])
    assert await world.objects() == []


async def test_just_the_limit_is_taken(world: World) -> None:
    answer = await world.upload(noise(world.settings.max_upload_bytes))

    assert answer.status == 201, answer.body


@pytest.mark.parametrize("known", [True, False])
async def test_the_answer_comes_while_a_client_that_is_over_the_limit_still_sends(
    database_url: Callable[[str], str], bucket: dict[str, str], known: bool
) -> None:
    async with open_world(database_url("files"), bucket, max_upload_bytes=6 * MIB) as world:
        reader, writer = await begin_upload(world, 6 * MIB + 1000 if known else None)
        frame = (lambda piece: piece) if known else framed

        await send(writer, noise(6 * MIB + 1), frame)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        length = next(line for line in head.decode().split("\r\n") if line.startswith("Content-Length:"))
        body = await reader.readexactly(int(length.partition(":")[2]))
        await send(writer, noise(900), frame)
        writer.close()

        assert head.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"too_large"' in body
        await becomes(world.rows, [])
        assert await world.objects() == []


@pytest.mark.parametrize("sent", [100_000, 30 * MIB])
async def test_a_client_that_breaks_off_leaves_nothing(world: World, sent: int) -> None:
    _, writer = await begin_upload(world, 40 * MIB)
    await send(writer, noise(sent))
    await until(world.rows)

    writer.transport.abort()

    await becomes(world.rows, [])
    assert await world.objects() == []


async def begin_upload(world: World, announced: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request for a file of so many bytes, or of nobody knows how many, and nothing of it yet."""
    host, _, port = world.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    start, end = form_around("a.bin")
    length = f"Content-Length: {len(start) + announced + len(end)}" if announced else "Transfer-Encoding: chunked"
    headers = "".join(f"{name}: {value}\r\n" for name, value in world.headers(ANNA).items())
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
    """As a chunk of a body whose length nobody tells."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def test_the_same_key_and_content_make_one_file(world: World) -> None:
    first = await world.upload(PNG, "a.png", key="k1")
    again = await world.upload(PNG, "a.png", key="k1")
    other = await world.upload(PNG + b"!", "a.png", key="k1")

    assert (again.status, again.body) == (201, first.body)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert [str(row["id"]) for row in await world.rows() if row["state"] == "stored"] == [first.body["id"]]
    await becomes(world.objects, [first.body["key"]])


NAMES = [
    ("../../etc/passwd", "passwd", "passwd"),
    ("C:\\files\\bill 1.pdf", "bill 1.pdf", "bill_1"),
    ("Überweisung.pdf", "Überweisung.pdf", "_berweisung"),
    ("invoice\u202egpj.exe", "invoicegpj.exe", "invoicegpj"),
    ("חשבונית.pdf", "חשבונית.pdf", "_______"),
    ("x" * 300 + ".txt", "x" * 300 + ".txt", "x" * 50),
    ("quote%22 and \\.txt", ".txt", "_txt"),
    (".env", ".env", "_env"),
    ("..", "file", "file"),
]


async def test_names_are_safe_and_come_back(world: World) -> None:
    for name, shown, key_base in NAMES:
        answer = await world.upload(b"hello", name)

        assert (answer.status, answer.body.get("name")) == (201, shown), (name, answer.body)
        folder, _, stored = answer.body["key"].rpartition("/")
        assert folder == f"documents/{ANNA.tenant_id}/lead/42"
        assert stored.rpartition("_")[0] == key_base
        found = await world.call(ANNA, "GET", f"/files/{answer.body['id']}")
        saved = (await world.download(found.body["download_url"]))[2]["Content-Disposition"]
        assert saved.startswith('attachment; filename="')
        assert saved.isascii()
        assert unquote(saved.partition("filename*=UTF-8''")[2]) == shown


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"entity_type": "../x"}, "a.txt", "entity_type"),
    ({"entity_type": "Lead"}, "a.txt", "entity_type"),
    ({"entity_type": "x" * 33}, "a.txt", "entity_type"),
    ({"entity_id": "a/b"}, "a.txt", "entity_id"),
    ({"entity_id": "4\n"}, "a.txt", "entity_id"),
    ({"entity_id": ""}, "a.txt", "entity_id"),
    ({"entity_id": "x" * 65}, "a.txt", "entity_id"),
    ({"more": "1"}, "a.txt", "more"),
    ({}, "a.sh-dash", "name"),
    ({}, "a." + "x" * 11, "name"),
    ({}, "x" * 600, "name"),
]


async def test_what_cant_be_a_place_or_a_name_is_refused_by_its_name(world: World) -> None:
    for fields, name, blamed in REFUSED:
        answer = await world.upload(b"hello", name, **fields)

        assert (answer.status, answer.body["code"]) == (422, "invalid"), (fields, name)
        assert [error["loc"] for error in answer.body["errors"]] == [["body", blamed]]
    assert await world.rows() == []


FILE = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
TYPE = '--b\r\nContent-Disposition: form-data; name="entity_type"\r\n\r\nlead\r\n'
ID = '--b\r\nContent-Disposition: form-data; name="entity_id"\r\n\r\n42\r\n'
END = "--b--\r\n"
BROKEN_FORMS = [
    ("", "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + FILE + END, "application/x-www-form-urlencoded", ["body"]),
    (TYPE + ID + FILE + END, "multipart/form-data", ["body"]),
    ("no form at all", "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + FILE, "multipart/form-data; boundary=b", ["body"]),
    (TYPE + ID + END, "multipart/form-data; boundary=b", ["body", "file"]),
    (TYPE + FILE + ID + END, "multipart/form-data; boundary=b", ["body", "entity_id"]),
    (TYPE + TYPE + ID + FILE + END, "multipart/form-data; boundary=b", ["body", "entity_type"]),
    (TYPE + ID + FILE + FILE + END, "multipart/form-data; boundary=b", ["body", "file"]),
    (TYPE + ID.replace("42", "4" * 2000) + FILE + END, "multipart/form-data; boundary=b", ["body", "entity_id"]),
    (TYPE + ID + FILE.replace('; filename="a.txt"', "") + END, "multipart/form-data; boundary=b", ["body", "file"]),
    ("--b\r\nX: " + "x" * 100_000 + "\r\n\r\n" + END, "multipart/form-data; boundary=b", ["body"]),
]


async def test_a_broken_form_is_refused_and_nothing_stays(world: World) -> None:
    for body, kind, blamed in BROKEN_FORMS:
        headers = {**world.headers(ANNA), "Content-Type": kind}
        async with world.http.post(f"{world.url}/api/v1/files", data=body.encode(), headers=headers) as answer:
            told = await answer.json(content_type=None)
        assert (answer.status, told["code"], told["errors"][0]["loc"]) == (422, "invalid", blamed), body[:300]
    await becomes(world.rows, [])
    assert await world.objects() == []


async def test_a_name_with_a_nul_is_refused(world: World) -> None:
    answer = await world.stream(trickle(b"hello"), 5, "a\0.txt")

    assert (answer.status, answer.body["code"]) == (422, "invalid")
    assert await world.rows() == []


PDF, SVG, BYTES = "application/pdf", "image/svg+xml", "application/octet-stream"
CONTENTS = [
    (PNG, "a.pdf", "image/png", "image/png"),
    (b"%PDF-1.7\n" + bytes(100), "a.txt", PDF, PDF),
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "a.png", SVG, BYTES),
    (b"\xef\xbb\xbf<!DOCTYPE html><script>alert(1)</script>", "a.png", "text/html", BYTES),
    (b"name,phone\nAnna,1\n", "a.csv", "text/csv", BYTES),
    ("grüße".encode(), "a.txt", "text/plain", "text/plain"),
    (b"MZ" + bytes(range(256)), "a.png", "application/x-msdownload", BYTES),
    (bytes(range(256)), "a.png", BYTES, BYTES),
]


async def test_the_bytes_say_what_it_is_and_what_could_run_is_never_served_as_such(world: World) -> None:
    for content, name, kind, served in CONTENTS:
        answer = await world.upload(content, name)

        assert answer.body["content_type"] == kind
        shown = await world.call(ANNA, "GET", f"/files/{answer.body['id']}")
        _, _, headers = await world.download(shown.body["download_url"])
        assert headers["Content-Type"] == served
        assert headers["Content-Disposition"].startswith("attachment;")


async def test_a_browser_is_sent_to_the_store_and_told_not_to_guess_or_keep(world: World) -> None:
    made = (await world.upload(b"0123456789", "Überweisung.txt")).body

    answer = await world.call(ANNA, "GET", f"/files/{made['id']}/content")

    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (302, "nosniff")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await world.download(answer.headers["Location"]))[1] == b"0123456789"
    status, content, headers = await world.download(answer.headers["Location"], Range="bytes=2-5")
    assert (status, content, headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")


async def test_downloads_are_signed_for_the_delivery_network_for_an_hour(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with passing_on(bucket) as network:
        cdn = network["S3_ENDPOINT"]
        async with open_world(database_url("files"), bucket, s3_cdn_url=cdn) as world:
            made = (await world.upload(PNG, "a.png")).body
            before = datetime.now(UTC)

            shown = (await world.call(ANNA, "GET", f"/files/{made['id']}")).body
            sent = await world.call(ANNA, "GET", f"/files/{made['id']}/content")

            for url in (shown["download_url"], sent.headers["Location"]):
                assert url.startswith(f"{cdn}/{bucket['S3_BUCKET']}/{made['key']}?")
                assert "X-Amz-Expires=3600&" in url
                assert (await world.download(url))[:2] == (200, PNG)
            until_then = datetime.fromisoformat(shown["download_url_expires_at"]) - before
            assert timedelta(seconds=3590) < until_then < timedelta(seconds=3660)


async def test_another_tenant_finds_nothing_on_any_route(world: World) -> None:
    made = (await world.upload(PNG, "a.png")).body
    announced = (await world.call(ANNA, "POST", "/files/uploads", {**_announcement(10)})).body

    for method, path in (
        ("GET", f"/files/{made['id']}"),
        ("DELETE", f"/files/{made['id']}"),
        ("GET", f"/files/{made['id']}/content"),
        ("POST", f"/files/uploads/{announced['id']}/complete"),
    ):
        answer = await world.call(STRANGER, method, path)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert (await world.call(STRANGER, "GET", "/files")).body["items"] == []


async def test_files_are_listed_newest_first_by_what_they_belong_to(world: World) -> None:
    made = [(await world.upload(b"x", f"{n}.txt", entity_id=str(n % 2))).body for n in range(5)]

    odd = await world.call(ANNA, "GET", "/files?entity_type=lead&entity_id=1")
    first = await world.call(ANNA, "GET", "/files?limit=3")
    rest = await world.call(ANNA, "GET", f"/files?limit=3&cursor={first.body['next_cursor']}")

    assert odd.body["items"] == [made[3], made[1]]
    assert first.body["items"] + rest.body["items"] == made[::-1]
    assert rest.body["next_cursor"] is None


def _announcement(size: int) -> dict[str, object]:
    return {"name": "a.png", "size": size, "content_type": "image/png", **LEAD}
