"""Presigned S3 requests through the gateway, for browsers that can't reach S3."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from switchboard.testing.buckets import client

FRONTEND = "http://crm.example"


def signed(bucket: dict[str, str], method: str, gateway: str, key: str = "incoming/1", **more: Any) -> str:
    """A URL of the gateway, presigned for S3 itself."""
    params = {"Bucket": bucket["S3_BUCKET"], "Key": key, **more}
    url = urlsplit(client(bucket).generate_presigned_url(method, Params=params, ExpiresIn=60))
    return f"{gateway}/s3{url.path}?{url.query}"


async def test_presigned_requests_pass_and_altered_ones_are_refused(stack: Any, bucket: dict[str, str]) -> None:
    gateway = await stack.gateway(s3_endpoint=bucket["S3_ENDPOINT"])
    content = bytes(range(256)) * 1000
    put = signed(bucket, "put_object", gateway, ContentLength=len(content), ContentType="image/png")
    kind = {"Content-Type": "image/png"}
    get = signed(bucket, "get_object", gateway)

    assert await stack.status("PUT", put, data=content[:-1], headers=kind) == 403
    assert await stack.status("PUT", put.replace("incoming/1", "incoming/2"), data=content, headers=kind) == 403
    assert await stack.status("PUT", put, data=content, headers={"Content-Type": "text/html"}) == 403
    assert await stack.status("PUT", put, data=content, headers=kind) == 200

    async with stack.client.get(get, headers={"Range": "bytes=1-3"}) as answer:
        assert (answer.status, await answer.read()) == (206, content[1:4])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert await stack.status("GET", get[:-1] + ("0" if get[-1] != "0" else "1")) == 403


async def test_cors_allows_uploads_only_from_the_frontend(stack: Any, bucket: dict[str, str]) -> None:
    gateway = await stack.gateway(s3_endpoint=bucket["S3_ENDPOINT"], frontend_url=FRONTEND)
    url = signed(bucket, "put_object", gateway, ContentType="text/plain")
    preflight_headers = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}

    async def allowed(origin: str) -> tuple[str | None, str | None]:
        async with stack.client.options(url, headers={**preflight_headers, "Origin": origin}) as preflight:
            methods = preflight.headers.get("Access-Control-Allow-Methods")
        headers = {"Origin": origin, "Content-Type": "text/plain"}
        async with stack.client.put(url, data=b"hi", headers=headers) as answer:
            assert answer.status == 200
            return methods, answer.headers.get("Access-Control-Allow-Origin")

    assert await allowed(FRONTEND) == ("GET, HEAD, POST, PUT, PATCH, DELETE", FRONTEND)
    assert await allowed("http://evil.example") == (None, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/s3/{bucket}/incoming/1"),
        ("GET", "/s3/{bucket}?list-type=2"),
        ("DELETE", "/s3/{bucket}/incoming/1?X-Amz-Signature=1"),
        ("POST", "/s3/{bucket}/incoming/1?uploads&X-Amz-Signature=1"),
    ],
)
async def test_other_requests_are_not_found(stack: Any, bucket: dict[str, str], method: str, path: str) -> None:
    gateway = await stack.gateway(s3_endpoint=bucket["S3_ENDPOINT"])

    assert await stack.status(method, gateway + path.format(bucket=bucket["S3_BUCKET"])) == 404


async def test_an_object_over_the_limit_is_refused(stack: Any, bucket: dict[str, str]) -> None:
    gateway = await stack.gateway(s3_endpoint=bucket["S3_ENDPOINT"], max_upload_bytes=1000)

    assert await stack.status("PUT", signed(bucket, "put_object", gateway), data=bytes(1001)) == 413


async def test_without_s3_endpoint_the_path_is_not_found(stack: Any, bucket: dict[str, str]) -> None:
    gateway = await stack.gateway()

    assert await stack.status("GET", signed(bucket, "get_object", gateway)) == 404
