"""The bucket. It uses core S3 only, so that any compatible store works.

Control requests go through aioboto3. The bytes of objects go through URLs that this service signs for itself: an upload
is streamed on while it arrives, where botocore would have to read the whole body first.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from botocore.exceptions import ClientError

from files.adapters.s3_client import (
    BucketUnavailable,
    error_code,
    expect_ok,
    is_missing,
    open_http_session,
    open_s3_client,
    translated,
)
from files.settings import BucketSettings

INTERNAL_URL_SECONDS = 3600
PURGE_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)

Body = bytes | AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store describes it."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class MultipartUpload:
    """An unfinished S3 multipart upload: an object that is put together from parts."""

    key: str
    id: str


class Bucket:
    """One bucket. Every method raises `BucketUnavailable` when the store is unavailable."""

    def __init__(
        self, name: str, s3: Any, signer: Any, *, sending: aiohttp.ClientSession, reading: aiohttp.ClientSession
    ) -> None:
        self.name = name
        self._s3 = s3
        self._signer = signer
        self._sending = sending
        self._reading = reading

    @property
    def has_cdn(self) -> bool:
        """Whether download URLs are signed for a content delivery network."""
        return self._signer is not self._s3

    async def create_if_missing(self) -> None:
        with translated():
            try:
                await self._s3.head_bucket(Bucket=self.name)
            except ClientError as error:
                if not is_missing(error):
                    raise
                await self._create()

    async def _create(self) -> None:
        region = self._s3.meta.region_name
        # S3 requires the location of every region but us-east-1, and rejects that one.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            await self._s3.create_bucket(Bucket=self.name, **where)
        except ClientError as error:
            if error_code(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    async def check(self) -> None:
        """Raise `BucketUnavailable` unless the bucket answers."""
        with translated():
            await self._s3.head_bucket(Bucket=self.name)

    async def put(self, key: str, body: Body, length: int, *, content_type: str, disposition: str) -> None:
        """Store a whole object of exactly this length."""
        headers = {"Content-Type": content_type, "Content-Disposition": disposition}
        params = {"Key": key, "ContentType": content_type, "ContentDisposition": disposition}
        await self._send("put_object", params, body, {**headers, "Content-Length": str(length)})

    async def begin_multipart(self, key: str, *, content_type: str, disposition: str) -> MultipartUpload:
        """Begin a multipart upload. The object does not exist until the upload is completed."""
        with translated():
            answer = await self._s3.create_multipart_upload(
                Bucket=self.name, Key=key, ContentType=content_type, ContentDisposition=disposition
            )
        return MultipartUpload(key, answer["UploadId"])

    async def put_part(self, upload: MultipartUpload, number: int, body: bytes) -> str:
        """Send one part and return its ETag. All parts but the last have at least 5 MiB."""
        params = {"Key": upload.key, "UploadId": upload.id, "PartNumber": number}
        return await self._send("upload_part", params, body, {"Content-Length": str(len(body))})

    async def complete_multipart(self, upload: MultipartUpload, etags: list[str]) -> None:
        """Make the object from its parts."""
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        with translated():
            await self._s3.complete_multipart_upload(
                Bucket=self.name, Key=upload.key, UploadId=upload.id, MultipartUpload={"Parts": parts}
            )

    async def abort_multipart(self, upload: MultipartUpload) -> None:
        """Abort a multipart upload and delete its parts."""
        with translated():
            try:
                await self._s3.abort_multipart_upload(Bucket=self.name, Key=upload.key, UploadId=upload.id)
            except ClientError as error:
                if not is_missing(error):
                    raise

    async def list_multipart(self, key: str) -> list[MultipartUpload]:
        """The unfinished multipart uploads of exactly this key."""
        with translated():
            answer = await self._s3.list_multipart_uploads(Bucket=self.name, Prefix=key)
        return [MultipartUpload(u["Key"], u["UploadId"]) for u in answer.get("Uploads", ()) if u["Key"] == key]

    async def find(self, key: str) -> StoredObject | None:
        """The size and age of an object, or None."""
        with translated():
            try:
                head = await self._s3.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        return StoredObject(key, head["ContentLength"], head["LastModified"])

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Stream the bytes of an object."""
        url = await self._signed(self._s3, "get_object", {"Key": key}, INTERNAL_URL_SECONDS)
        with translated():
            async with self._reading.get(url) as answer:
                await expect_ok(answer)
                yield answer.content.iter_any()

    async def delete(self, key: str) -> None:
        """Delete an object. A missing one is no error."""
        with translated():
            await self._s3.delete_object(Bucket=self.name, Key=key)

    async def purge(self, key: str) -> None:
        """Delete the object and its multipart uploads.

        A part that was still being sent survives the first abort: S3 wants it repeated until the list is empty.
        """
        for pause in PURGE_PAUSES:
            if not (uploads := await self.list_multipart(key)):
                return await self.delete(key)
            for upload in uploads:
                await self.abort_multipart(upload)
            await asyncio.sleep(pause)
        raise BucketUnavailable(f"a multipart upload of {key} can't be aborted")

    async def list_objects(self, prefix: str, after: str = "") -> AsyncIterator[StoredObject]:
        """All objects with this key prefix, in the order of their keys."""
        with translated():
            pages = self._s3.get_paginator("list_objects_v2")
            start = {"StartAfter": after} if after else {}
            async for page in pages.paginate(Bucket=self.name, Prefix=prefix, **start):
                for found in page.get("Contents", ()):
                    yield StoredObject(found["Key"], found["Size"], found["LastModified"])

    async def signed_download(self, key: str, seconds: int, *, head: bool = False) -> str:
        """A presigned URL: anyone who has it may read the object until it expires. `head`: by HEAD requests only."""
        return await self._signed(self._signer, "head_object" if head else "get_object", {"Key": key}, seconds)

    async def signed_upload(self, key: str, *, size: int, content_type: str, seconds: int) -> str:
        """A presigned URL: anyone who has it may put an object of exactly this size and type until it expires."""
        params = {"Key": key, "ContentLength": size, "ContentType": content_type}
        return await self._signed(self._s3, "put_object", params, seconds)

    async def _signed(self, signer: Any, operation: str, params: dict[str, Any], seconds: int) -> str:
        url = await signer.generate_presigned_url(operation, Params={"Bucket": self.name, **params}, ExpiresIn=seconds)
        return str(url)

    async def _send(self, operation: str, params: dict[str, Any], body: Body, headers: dict[str, str]) -> str:
        url = await self._signed(self._s3, operation, params, INTERNAL_URL_SECONDS)
        with translated():
            request = self._sending.put(url, data=body, headers=headers, skip_auto_headers=("Content-Type",))
            async with request as answer:
                await expect_ok(answer)
                return answer.headers.get("ETag", "")


@asynccontextmanager
async def open_bucket(settings: BucketSettings) -> AsyncIterator[Bucket]:
    """Open the clients of the bucket, without waiting for the store and without creating the bucket."""
    async with AsyncExitStack() as stack:
        # Separate connections for each direction. A copy reads one object while it writes another: with one pool, many
        # copies could hold all connections for reading and wait for each other to write.
        sending, reading = [await stack.enter_async_context(open_http_session()) for _ in range(2)]
        client = open_s3_client(settings, endpoint=settings.s3_endpoint, path_style=settings.s3_force_path_style)
        s3 = signer = await stack.enter_async_context(client)
        if settings.s3_cdn_url is not None:
            cdn_client = open_s3_client(settings, endpoint=settings.s3_cdn_url, path_style=True)
            signer = await stack.enter_async_context(cdn_client)
        yield Bucket(settings.s3_bucket, s3, signer, sending=sending, reading=reading)
