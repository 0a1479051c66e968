"""Listing and downloading."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from .client import ANNA, PNG, STRANGER, FilesClient, open_client
from .stores import store_proxy

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


async def test_type_is_sniffed_and_active_content_is_served_as_binary(client: FilesClient) -> None:
    for content, name, kind, served in CONTENTS:
        answer = await client.upload(content, name)

        assert answer.body["content_type"] == kind
        shown = await client.call(ANNA, "GET", f"/files/{answer.body['id']}")
        _, _, headers = await client.download(shown.body["download_url"])
        assert headers["Content-Type"] == served
        assert headers["Content-Disposition"].startswith("attachment;")


async def test_download_redirects_to_the_store_without_sniffing_or_caching(client: FilesClient) -> None:
    made = (await client.upload(b"0123456789", "Überweisung.txt")).body

    answer = await client.call(ANNA, "GET", f"/files/{made['id']}/content")

    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (302, "nosniff")
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await client.download(answer.headers["Location"]))[1] == b"0123456789"
    status, content, headers = await client.download(answer.headers["Location"], Range="bytes=2-5")
    assert (status, content, headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")


async def test_head_answers_like_get_without_a_body(client: FilesClient) -> None:
    made = (await client.upload(b"0123456789", "a.txt")).body

    for path in ("/files", f"/files/{made['id']}"):
        got, head = await client.call(ANNA, "GET", path), await client.call(ANNA, "HEAD", path)
        assert (head.status, head.body) == (got.status, None)
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
    head = await client.call(ANNA, "HEAD", f"/files/{made['id']}/content")
    assert head.status == 302
    async with client.http.head(head.headers["Location"]) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, "10")
    assert (await client.call(ANNA, "HEAD", f"/files/{UUID(int=7)}")).status == 404


async def test_download_urls_are_signed_for_the_cdn_for_an_hour(
    database_url: Callable[[str], str], bucket: dict[str, str]
) -> None:
    async with store_proxy(bucket) as network:
        cdn = network["S3_ENDPOINT"]
        async with open_client(database_url("files"), bucket, s3_cdn_url=cdn) as client:
            made = (await client.upload(PNG, "a.png")).body
            before = datetime.now(UTC)

            shown = (await client.call(ANNA, "GET", f"/files/{made['id']}")).body
            sent = await client.call(ANNA, "GET", f"/files/{made['id']}/content")

            for url in (shown["download_url"], sent.headers["Location"]):
                assert url.startswith(f"{cdn}/{bucket['S3_BUCKET']}/{made['key']}?")
                assert "X-Amz-Expires=3600&" in url
                assert (await client.download(url))[:2] == (200, PNG)
            until_then = datetime.fromisoformat(shown["download_url_expires_at"]) - before
            assert timedelta(seconds=3590) < until_then < timedelta(seconds=3660)


async def test_another_tenant_finds_nothing_on_any_route(client: FilesClient) -> None:
    made = (await client.upload(PNG, "a.png")).body
    announced = (await client.announce(size=10)).body

    for method, path in (
        ("GET", f"/files/{made['id']}"),
        ("DELETE", f"/files/{made['id']}"),
        ("GET", f"/files/{made['id']}/content"),
        ("POST", f"/files/uploads/{announced['id']}/complete"),
    ):
        answer = await client.call(STRANGER, method, path)
        assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert (await client.call(STRANGER, "GET", "/files")).body["items"] == []


async def test_files_are_listed_newest_first_by_entity(client: FilesClient) -> None:
    made = [(await client.upload(b"x", f"{n}.txt", entity_id=str(n % 2))).body for n in range(5)]

    odd = await client.call(ANNA, "GET", "/files?entity_type=lead&entity_id=1")
    first = await client.call(ANNA, "GET", "/files?limit=3")
    rest = await client.call(ANNA, "GET", f"/files?limit=3&cursor={first.body['next_cursor']}")

    assert odd.body["items"] == [made[3], made[1]]
    assert first.body["items"] + rest.body["items"] == made[::-1]
    assert rest.body["next_cursor"] is None
