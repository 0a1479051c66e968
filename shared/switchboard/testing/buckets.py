"""Create a fresh bucket for each test."""

from typing import Any
from uuid import uuid4


def create_bucket(store: dict[str, str], name: str | None = None) -> dict[str, str]:
    """Create a bucket and return the S3_... settings for it."""
    settings = {**store, "S3_BUCKET": name or f"test-{uuid4().hex[:12]}"}
    client(settings).create_bucket(Bucket=settings["S3_BUCKET"])
    return settings


def client(settings: dict[str, str]) -> Any:
    """Return a plain boto3 client, to inspect the bucket of the code under test."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=settings["S3_ENDPOINT"],
        region_name=settings["S3_REGION"],
        aws_access_key_id=settings["S3_ACCESS_KEY"],
        aws_secret_access_key=settings["S3_SECRET_KEY"],
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
