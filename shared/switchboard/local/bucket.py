"""Create the bucket in the S3 store of a local stack."""

import asyncio
from collections.abc import Mapping

import aioboto3
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError

ALREADY_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def create_bucket(settings: Mapping[str, str]) -> None:
    """Create the bucket that the S3_... settings name, unless it exists."""
    asyncio.run(_create(settings))


async def _create(settings: Mapping[str, str]) -> None:
    style = "path" if settings.get("S3_FORCE_PATH_STYLE") == "true" else "auto"
    config = AioConfig(s3={"addressing_style": style}, connect_timeout=5, read_timeout=10)
    async with aioboto3.Session().client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT"],
        region_name=settings["S3_REGION"],
        aws_access_key_id=settings["S3_ACCESS_KEY"],
        aws_secret_access_key=settings["S3_SECRET_KEY"],
        config=config,
    ) as client:
        try:
            await client.head_bucket(Bucket=settings["S3_BUCKET"])
            return
        except ClientError:
            pass
        try:
            await client.create_bucket(Bucket=settings["S3_BUCKET"])
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in ALREADY_EXISTS:
                raise
