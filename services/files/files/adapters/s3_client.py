"""Opens the S3 client through aioboto3, and the HTTP sessions that carry the bytes of objects."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError

from files.settings import BucketSettings
from switchboard.runtime.unavailable import Unavailable

CONNECTIONS = 64
IDLE_SECONDS = 30.0  # without a byte moving, in either direction
NOT_FOUND_CODES = ("404", "NoSuchKey", "NoSuchBucket", "NotFound", "NoSuchUpload")


class BucketUnavailable(Unavailable):
    """The S3 store can't be reached, or fails to do what was asked."""


@functools.cache
def _session() -> aioboto3.Session:
    """One for the process: each session reads botocore's service models again, which takes 0.2 s of CPU."""
    return aioboto3.Session()


def open_s3_client(settings: BucketSettings, *, endpoint: str, path_style: bool) -> Any:
    """An async context manager that gives the client. It connects at its first request."""
    return _session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        config=AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path" if path_style else "virtual"},
            # Other stores reject checksums that S3 does not require. We keep our own SHA-256.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=IDLE_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


def open_http_session() -> aiohttp.ClientSession:
    """A session for signed URLs: no limit on the whole transfer, but on the time without progress."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=IDLE_SECONDS),
        auto_decompress=False,
    )


async def expect_ok(answer: aiohttp.ClientResponse) -> None:
    """Raise `BucketUnavailable` unless the store answered 200."""
    if answer.status != 200:
        text = (await answer.content.read(500)).decode("utf-8", "replace")
        raise BucketUnavailable(f"the store answered {answer.status}: {text}")


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of botocore and aiohttp as `BucketUnavailable`."""
    try:
        yield
    except (BotoCoreError, ClientError, aiohttp.ClientError, TimeoutError) as error:
        raise BucketUnavailable(f"the store is unavailable: {type(error).__name__}: {error}") from error


def error_code(error: ClientError) -> str:
    """The error code in S3's response, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Whether S3 answered that the object, the bucket or the multipart upload does not exist."""
    return error_code(error) in NOT_FOUND_CODES
