"""The objects of the bucket, copied to files and back."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from switchboard.cli.backup.manifest import checksum
from switchboard.cli.progress import each
from switchboard.runtime.unavailable import Unavailable

LIST = "objects.jsonl"
FOLDER = "objects"
AT_ONCE = 8
CHUNK = 1 << 20
METADATA = ("ContentType", "ContentDisposition")


class StoreUnavailable(Unavailable):
    """The S3 store can't be reached, or fails to do what was asked."""


class StoreClient:
    """One bucket, as the S3_… settings name it."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    async def keys(self) -> list[str]:
        """The keys of all objects."""
        with _translated():
            return await self._keys()

    async def _keys(self) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return [found["Key"] async for page in pages for found in page.get("Contents", ())]

    async def save(self, key: str, file: Path) -> dict[str, str] | None:
        """Write an object to a file, and return its metadata. None: it has been deleted meanwhile."""
        with _translated():
            try:
                answer = await self._s3.get_object(Bucket=self._bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return None
            async with answer["Body"] as response:
                with file.open("wb") as output:
                    async for chunk in response.content.iter_chunked(CHUNK):
                        output.write(chunk)
        return {name: answer[name] for name in METADATA if answer.get(name)}

    async def put(self, key: str, file: Path, metadata: Mapping[str, str]) -> None:
        with _translated(), file.open("rb") as body:
            await self._s3.upload_fileobj(body, self._bucket, key, ExtraArgs=dict(metadata))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, aiohttp.ClientError, TimeoutError) as error:
        raise StoreUnavailable(f"the store is unavailable: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def open_store(settings: Mapping[str, str]) -> AsyncIterator[StoreClient]:
    """The bucket of the S3_… settings."""
    style = "path" if settings.get("S3_FORCE_PATH_STYLE") == "true" else "auto"
    config = AioConfig(
        s3={"addressing_style": style},
        connect_timeout=5,
        read_timeout=60,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT"],
        region_name=settings.get("S3_REGION", "us-east-1"),
        aws_access_key_id=settings["S3_ACCESS_KEY"],
        aws_secret_access_key=settings["S3_SECRET_KEY"],
        config=config,
    ) as s3:
        yield StoreClient(s3, settings["S3_BUCKET"])


async def save_objects(store: StoreClient, directory: Path, saved: dict[str, dict[str, Any]], console: Console) -> None:
    """Save the objects that aren't in `saved` yet, and add them to it, by key."""
    (directory / FOLDER).mkdir(exist_ok=True)

    async def save(key: str) -> None:
        path = f"{FOLDER}/{sha256(key.encode()).hexdigest()}"
        metadata = await store.save(key, directory / path)
        if metadata is not None:
            saved[key] = {"key": key, "path": path, "sha256": checksum(directory / path), "metadata": metadata}

    missing = [key for key in await store.keys() if key not in saved]
    await each(missing, save, label="objects", workers=AT_ONCE, console=console)


def write_list(directory: Path, saved: Mapping[str, dict[str, Any]]) -> None:
    """Write the names of the objects."""
    with (directory / LIST).open("w") as output:
        for one in saved.values():
            output.write(json.dumps(one) + "\n")


async def restore_objects(store: StoreClient, directory: Path, console: Console) -> None:
    """Put all objects of the backup into the bucket. Others stay there."""
    saved = [json.loads(line) for line in (directory / LIST).read_text().splitlines()]

    async def put(one: dict[str, Any]) -> None:
        await store.put(one["key"], directory / one["path"], one["metadata"])

    await each(saved, put, label="objects", workers=AT_ONCE, console=console)
