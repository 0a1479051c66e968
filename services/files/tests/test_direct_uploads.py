"""Direct uploads by presigned URLs."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from files.adapters.s3_client import CONNECTIONS
from switchboard.testing import becomes

from .client import ANNA, PNG, Answer, FilesClient, digest, open_client


async def test_a_direct_upload_is_stored_on_completion_and_completes_once(client: FilesClient) -> None:
    announced = await client.announce(sha256=digest(PNG))
    assert announced.status == 201, announced.body

    assert await client.put(announced, PNG) == 200
    done = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    again = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["sha256"], done.body["id"]) == (201, digest(PNG), announced.body["id"])
    assert (again.status, again.body) == (201, done.body)
    assert await client.objects() == [done.body["key"]]
    shown = await client.call(ANNA, "GET", f"/files/{done.body['id']}")
    status, content, headers = await client.download(shown.body["download_url"], Range="bytes=1-3")
    assert (status, content, headers["Content-Type"]) == (206, b"PNG", "image/png")


async def test_a_direct_upload_declared_as_binary_gets_the_sniffed_type(client: FilesClient) -> None:
    announced = await client.announce(content_type="application/octet-stream")
    await client.put(announced, PNG)

    done = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["content_type"]) == (201, "image/png")


async def test_many_completions_at_once_do_not_deadlock_on_connections(nanio_client: FilesClient) -> None:
    announced = [await nanio_client.announce() for _ in range(CONNECTIONS + 16)]
    await asyncio.gather(*(nanio_client.put(one, PNG) for one in announced))

    done = await asyncio.gather(
        *(nanio_client.call(ANNA, "POST", f"/files/uploads/{one.body['id']}/complete") for one in announced)
    )

    assert {answer.status for answer in done} == {201}


async def test_completion_before_the_put_can_be_retried(client: FilesClient) -> None:
    announced = await client.announce()

    early = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")
    await client.put(announced, PNG)
    later = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (early.status, early.body["code"]) == (409, "nothing_uploaded")
    assert later.status == 201


@pytest.mark.parametrize(
    ("announcement", "content"),
    [
        ({"size": len(PNG) + 1}, PNG),
        ({"content_type": "image/jpeg"}, PNG),
        ({"content_type": "application/pdf"}, b"<svg onload=alert(1)>" + bytes(0)),
        ({"content_type": "text/plain", "size": 23}, b"<script>alert(1)</script>"[:23]),
        ({"sha256": digest(b"other")}, PNG),
    ],
)
async def test_a_mismatched_upload_is_refused_and_removed(
    client: FilesClient, announcement: dict[str, Any], content: bytes
) -> None:
    announced = await client.announce(**{"size": len(content), **announcement})
    await client.bucket.put(
        f"incoming/{announced.body['id']}", content, len(content), content_type="image/png", disposition="inline"
    )

    done = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (done.status, done.body["code"]) == (409, "upload_mismatch")
    await becomes(client.objects, [])
    assert (await client.call(ANNA, "GET", f"/files/{announced.body['id']}")).status == 404


async def test_upload_url_is_valid_only_for_its_object_size_and_type(nanio_client: FilesClient) -> None:
    announced = await nanio_client.announce()
    other_key = Answer(0, {**announced.body, "url": announced.body["url"].replace("incoming/", "documents/")}, {})

    assert await nanio_client.put(announced, PNG + b"!") == 403
    assert await nanio_client.put(announced, PNG, **{"Content-Type": "text/html"}) == 403
    assert await nanio_client.put(other_key, PNG) == 403
    await becomes(nanio_client.objects, [])


async def test_signed_urls_name_the_gateway_that_was_called(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    forwarded = {"X-Forwarded-Host": "crm.example:8081", "X-Forwarded-Proto": "https"}
    async with open_client(database_url("files"), bucket, s3_through_gateway=True) as client:
        made = (await client.upload(PNG, "a.png")).body

        announced = await client.announce(forwarded=forwarded)
        shown = await client.call(ANNA, "GET", f"/files/{made['id']}", forwarded=forwarded)
        direct = await client.call(ANNA, "GET", f"/files/{made['id']}")

        prefix = f"https://crm.example:8081/s3/{bucket['S3_BUCKET']}/"
        assert announced.body["url"].startswith(f"{prefix}incoming/{announced.body['id']}?")
        assert shown.body["download_url"].startswith(f"{prefix}{made['key']}?")
        assert (await client.download(direct.body["download_url"]))[:2] == (200, PNG)


async def test_a_tampered_or_expired_download_url_is_refused(nanio_client: FilesClient) -> None:
    one, two = [(await nanio_client.upload(PNG, f"{n}.png")).body for n in (1, 2)]
    url = (await nanio_client.call(ANNA, "GET", f"/files/{one['id']}")).body["download_url"]
    old = await nanio_client.bucket.signed_download(one["key"], 1)

    assert (await nanio_client.download(url))[0] == 200
    assert (await nanio_client.download(url.replace(one["id"], two["id"])))[0] == 403
    assert (await nanio_client.download(url[:-1] + ("0" if url[-1] != "0" else "1")))[0] == 403

    async def of_old() -> int:
        return (await nanio_client.download(old))[0]

    await becomes(of_old, 403, within=5)


@pytest.mark.parametrize("changes", [{"size": -1}, {"content_type": "png"}, {"name": "a\0"}, {"more": 1}])
async def test_an_invalid_announcement_is_refused(client: FilesClient, changes: dict[str, Any]) -> None:
    answer = await client.announce(**changes)

    assert (answer.status, answer.body["code"]) == (422, "invalid")


async def test_an_announcement_over_the_limit_is_refused(client: FilesClient) -> None:
    answer = await client.announce(size=client.settings.max_upload_bytes + 1)

    assert (answer.status, answer.body["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("declared", "content", "recorded"),
    [
        ("text/csv;charset=utf-8", b'id,note\r\n1,"<p>offer</p>"\r\n', "text/csv;charset=utf-8"),
        ("audio/webm;codecs=opus", b"\x1a\x45\xdf\xa3" + bytes(100), "audio/webm;codecs=opus"),
        ('text/plain; charset="utf-8"', b"hello", 'text/plain; charset="utf-8"'),
        ("", PNG, "image/png"),
    ],
)
async def test_parameters_of_a_content_type_are_kept_and_none_means_binary(
    client: FilesClient, declared: str, content: bytes, recorded: str
) -> None:
    announced = await client.announce(content_type=declared, size=len(content), name="a.csv")
    assert announced.status == 201, announced.body
    assert await client.put(announced, content) == 200

    answer = await client.call(ANNA, "POST", f"/files/uploads/{announced.body['id']}/complete")

    assert (answer.status, answer.body["content_type"]) == (201, recorded)


@pytest.mark.parametrize("declared", ["text", "text/csv;charset", "a/b\r\nX: y", "a/b;c=d\r\n", 'a/b;c="\\""', "a/é"])
async def test_a_malformed_content_type_is_refused(client: FilesClient, declared: str) -> None:
    answer = await client.announce(content_type=declared)

    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["body", "content_type"])
