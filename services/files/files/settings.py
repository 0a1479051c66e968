"""What files is told from outside."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, IdentitySettings, Url


class BucketSettings(BaseSettings):
    """Where the bytes are: any store that speaks S3."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    s3_endpoint: Url
    s3_region: str = "us-east-1"
    s3_access_key: str = Field(repr=False)
    s3_secret_key: str = Field(repr=False)
    s3_bucket: str
    s3_force_path_style: bool = False
    s3_cdn_url: Url | None = None
    """Downloads are signed for this host, if set."""


class Settings(DatabaseSettings, BusSettings, IdentitySettings, BucketSettings):
    """`upload_lifetime`: how long an upload may take, and a signed upload URL is good. `upload_memory_bytes`: what all
    uploads of a process may hold in memory; more of them wait."""

    max_upload_bytes: int = Field(default=50 * 1024 * 1024, ge=1)
    upload_memory_bytes: int = Field(default=96 * 1024 * 1024, ge=10 * 1024 * 1024)
    s3_through_gateway: bool = False
    """Clients reach the store only under the gateway's `/s3/`: signed URLs name the gateway that was asked."""
    upload_lifetime: Duration = timedelta(hours=1)
    download_lifetime: Duration = timedelta(hours=1)
