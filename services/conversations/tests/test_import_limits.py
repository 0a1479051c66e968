"""Limits of the CSV import: lines, work, forms that are cut short; other requests are served meanwhile."""

import asyncio
import gzip
from typing import Any

import pytest

from switchboard.testing.app import identity_headers

from .client import BEN, ConversationsClient

FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


async def upload(client: ConversationsClient, body: bytes, kind: str = "text/csv", **headers: str) -> tuple[int, Any]:
    headers = {**identity_headers(BEN, "conversations"), "Content-Type": kind, **headers}
    async with client.http.post("/api/v1/contacts/import", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_compressed_file_is_refused_without_reading_it(client: ConversationsClient) -> None:
    body = gzip.compress(b"phone\n" + b"\n" * 8_000_000)

    for sent in (body, body[: len(body) // 2]):
        status, problem = await upload(client, sent, **{"Content-Encoding": "gzip"})
        assert (status, problem["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("line", [b"\n", b",\n", b'x","""\n'], ids=["blank", "empty", "quotes"])
async def test_a_file_of_too_many_lines_is_422_and_others_are_served(client: ConversationsClient, line: bytes) -> None:
    async def serves_others() -> int:
        served = 0
        while not uploading.done():
            async with client.http.get("/livez") as answer:
                served += answer.status == 200
            await asyncio.sleep(0.01)
        return served

    uploading = asyncio.create_task(upload(client, b"phone,name\n" + line * 1_100_000))
    served = await serves_others()
    status, problem = await uploading

    assert (status, problem["code"]) == (422, "unusable_file")
    assert served > 1


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n--b", b"\r\n--", b"\r\n--c--\r\n"])
async def test_a_form_that_is_cut_short_is_400_and_tells_what_is_in(client: ConversationsClient, end: bytes) -> None:
    lines = b"".join(b"+1415555%04d\n" % n for n in range(1500))

    status, problem = await upload(client, PART + b"phone\n" + lines + end, FORM)

    assert (status, problem["code"]) == (400, "malformed")
    assert "1000 contacts were created and 0 updated" in problem["detail"]
    status, report = await upload(client, PART + b"phone\n" + lines + b"\r\n--b--\r\n", FORM)
    assert (status, report["created"] + report["unchanged"]) == (200, 1500)
    assert report["unchanged"] == 1000


async def test_a_form_of_many_parts_is_refused(client: ConversationsClient) -> None:
    other = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'

    status, problem = await upload(client, other * 1000 + PART + b"phone\n\r\n--b--\r\n", FORM)

    assert (status, problem["code"]) == (400, "malformed")


async def test_a_chunk_that_is_malformed_is_400_and_tells_what_is_in(client: ConversationsClient) -> None:
    reader, writer = await asyncio.open_connection(client.http.host, client.http.port)
    lines = b"".join(b"+1415556%04d\n" % n for n in range(1500))
    text = b"phone\n" + lines
    head = "".join(f"{name}: {value}\r\n" for name, value in identity_headers(BEN, "conversations").items())
    writer.write(
        b"POST /api/v1/contacts/import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n"
        + head.encode() + b"\r\n%x\r\n%b\r\n" % (len(text), text)
    )  # fmt: skip
    await asyncio.sleep(1.0)
    writer.write(b"zz\r\n")

    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()

    assert b" 400 " in answer
    assert b"1000 contacts were created and 0 updated" in answer
