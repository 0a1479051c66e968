"""The bucket: core S3 only, so that any store serves. One client and one HTTP session per process.

Control goes through aiobotocore; bytes go through URLs that we sign for ourselves, since only so a body can be passed
on while it arrives: botocore would want to read it first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from files.settings import BucketSettings
from switchboard.runtime.unavailable import Unavailable

CONNECTIONS = 64
SIGNED_FOR_US_SECONDS = 3600
IDLE_SECONDS = 30.0  # without a byte moving, in either direction
GIVE_UP_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)
GONE = ("404", "NoSuchKey", "NoSuchBucket", "NotFound", "NoSuchUpload")

Body = bytes | AsyncIterable[bytes]


class BucketUnavailable(Unavailable):
    """The store can't be reached, or can't do what it must."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What the store says of an object."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is put together from parts."""

    key: str
    id: str


class Bucket:
    """Every method raises `BucketUnavailable` when the store is."""

    def __init__(
        self, name: str, s3: Any, signer: Any, *, sending: aiohttp.ClientSession, reading: aiohttp.ClientSession
    ) -> None:
        self.name = name
        self._s3 = s3
        self._signer = signer
        self._sending = sending
        self._reading = reading

    @property
    def has_network(self) -> bool:
        """Whether downloads are signed for a delivery network."""
        return self._signer is not self._s3

    async def create_if_missing(self) -> None:
        """Make the bucket, unless it is there."""
        with away():
            try:
                await self._s3.head_bucket(Bucket=self.name)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise
                await self._create()

    async def _create(self) -> None:
        try:
            region = self._s3.meta.region_name
            # S3 wants to be told of every region but its first, and refuses to be told of that one.
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            await self._s3.create_bucket(Bucket=self.name, **where)
        except ClientError as error:
            if code_of(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    async def check(self) -> None:
        """Raises unless the bucket answers."""
        with away():
            await self._s3.head_bucket(Bucket=self.name)

    async def begin(self, key: str, *, content_type: str, disposition: str) -> Upload:
        """Begin an object of parts. Nothing is there until it is completed."""
        with away():
            answer = await self._s3.create_multipart_upload(
                Bucket=self.name, Key=key, ContentType=content_type, ContentDisposition=disposition
            )
        return Upload(key, answer["UploadId"])

    async def put_part(self, upload: Upload, number: int, body: Body, length: int) -> str:
        """Send one part, of just this length. All parts but the last take 5 MiB or more. Returns its tag."""
        params = {"Key": upload.key, "UploadId": upload.id, "PartNumber": number}
        return await self._put("upload_part", params, body, length, {})

    async def complete(self, upload: Upload, tags: list[str]) -> None:
        """Put the parts together."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        with away():
            await self._s3.complete_multipart_upload(
                Bucket=self.name, Key=upload.key, UploadId=upload.id, MultipartUpload={"Parts": parts}
            )

    async def abort(self, upload: Upload) -> None:
        """Give it up; its parts are gone."""
        with away():
            try:
                await self._s3.abort_multipart_upload(Bucket=self.name, Key=upload.key, UploadId=upload.id)
            except ClientError as error:
                if code_of(error) not in GONE:
                    raise

    async def put(self, key: str, body: Body, length: int, *, content_type: str, disposition: str) -> None:
        """Send a whole object, of just this length."""
        headers = {"Content-Type": content_type, "Content-Disposition": disposition}
        params = {"Key": key, "ContentType": content_type, "ContentDisposition": disposition}
        await self._put("put_object", params, body, length, headers)

    async def find(self, key: str) -> StoredObject | None:
        """What is there."""
        with away():
            try:
                head = await self._s3.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if code_of(error) in GONE:
                    return None
                raise
        return StoredObject(key, head["ContentLength"], head["LastModified"])

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an object, as they come."""
        url = await self._signed(self._s3, "get_object", {"Key": key}, SIGNED_FOR_US_SECONDS)
        with away():
            async with self._reading.get(url) as answer:
                await _expect(answer, 200)
                yield answer.content.iter_any()

    async def delete(self, key: str) -> None:
        """Remove an object; one that isn't there is no trouble."""
        with away():
            await self._s3.delete_object(Bucket=self.name, Key=key)

    async def leave_nothing(self, key: str) -> None:
        """Remove the object, and what is unfinished of it: also a part that was still going out when its upload was
        given up, for which S3 wants to be told again."""
        for pause in GIVE_UP_PAUSES:
            if not (uploads := await self.list_uploads(key)):
                return await self.delete(key)
            for upload in uploads:
                await self.abort(upload)
            await asyncio.sleep(pause)
        raise BucketUnavailable(f"an upload of {key} can't be given up")

    async def list_objects(self, prefix: str, after: str = "") -> AsyncIterator[StoredObject]:
        """All objects whose keys begin so, by key."""
        with away():
            pages = self._s3.get_paginator("list_objects_v2")
            start = {"StartAfter": after} if after else {}
            async for page in pages.paginate(Bucket=self.name, Prefix=prefix, **start):
                for found in page.get("Contents", ()):
                    yield StoredObject(found["Key"], found["Size"], found["LastModified"])

    async def list_uploads(self, key: str) -> list[Upload]:
        """The unfinished objects of parts under this very key."""
        with away():
            answer = await self._s3.list_multipart_uploads(Bucket=self.name, Prefix=key)
        return [Upload(u["Key"], u["UploadId"]) for u in answer.get("Uploads", ()) if u["Key"] == key]

    async def signed_download(self, key: str, seconds: int) -> str:
        """A URL that anybody may read the object by, for so long."""
        return await self._signed(self._signer, "get_object", {"Key": key}, seconds)

    async def signed_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> str:
        """A URL that anybody may put an object of just this size and type to, for so long."""
        params = {"Key": key, "ContentLength": size, "ContentType": content_type}
        return await self._signed(self._s3, "put_object", params, seconds)

    async def _signed(self, signer: Any, operation: str, params: dict[str, Any], seconds: int) -> str:
        url = await signer.generate_presigned_url(operation, Params={"Bucket": self.name, **params}, ExpiresIn=seconds)
        return str(url)

    async def _put(
        self, operation: str, params: dict[str, Any], body: Body, length: int, headers: dict[str, str]
    ) -> str:
        url = await self._signed(self._s3, operation, params, SIGNED_FOR_US_SECONDS)
        with away():
            async with self._sending.put(
                url,
                data=body,
                headers={**headers, "Content-Length": str(length)},
                skip_auto_headers=("Content-Type",),
            ) as answer:
                await _expect(answer, 200)
                return answer.headers.get("ETag", "")


@asynccontextmanager
async def open_bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    """The bucket's client. Waits for nobody, and makes no bucket yet."""
    async with AsyncExitStack() as stack:
        # Of either kind its own connections: who reads an object to write it on would else hold the one and wait for
        # the other, and so many of them for each other.
        sending, reading = [await stack.enter_async_context(_session()) for _ in range(2)]
        s3 = await stack.enter_async_context(_client(settings, settings.s3_endpoint, settings.s3_force_path_style))
        signer = s3
        if settings.s3_cdn_url is not None:
            signer = await stack.enter_async_context(_client(settings, settings.s3_cdn_url, True))
        yield Bucket(settings.s3_bucket, s3, signer, sending=sending, reading=reading)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=IDLE_SECONDS),
        auto_decompress=False,
    )


def _client(settings: BucketSettings, endpoint: str, path_style: bool) -> Any:
    return get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        config=AioConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path" if path_style else "virtual"},
            # Checksums beyond those that S3 asks for break other stores; we keep a SHA-256 of our own.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=IDLE_SECONDS,
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": 3},
        ),
    )


async def _expect(answer: aiohttp.ClientResponse, status: int) -> None:
    if answer.status != status:
        text = (await answer.content.read(500)).decode("utf-8", "replace")
        raise BucketUnavailable(f"the store answered {answer.status}: {text}")


@contextmanager
def away() -> Iterator[None]:
    """The store's trouble as an `Unavailable`."""
    try:
        yield
    except (BotoCoreError, ClientError, aiohttp.ClientError, TimeoutError) as trouble:
        raise BucketUnavailable(f"the store is away: {type(trouble).__name__}: {trouble}") from trouble


def code_of(error: ClientError) -> str:
    """S3's word for what is wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))
