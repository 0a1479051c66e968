"""The settings of files."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, IdentitySettings, Url


class BucketSettings(BaseSettings):
    """The S3 store and the bucket in it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    s3_endpoint: Url
    s3_region: str = "us-east-1"
    s3_access_key: str = Field(repr=False)
    s3_secret_key: str = Field(repr=False)
    s3_bucket: str
    s3_force_path_style: bool = False
    s3_cdn_url: Url | None = None
    """If set, downloads are signed for this host."""


class Settings(DatabaseSettings, BusSettings, IdentitySettings, BucketSettings):
    max_upload_bytes: int = Field(default=50 * 1024 * 1024, ge=1)
    upload_memory_bytes: int = Field(default=96 * 1024 * 1024, ge=10 * 1024 * 1024)
    """The memory budget: bytes that all uploads of the process may hold in memory; further uploads wait."""
    s3_through_gateway: bool = False
    """Clients reach the store only under the gateway's `/s3/`: signed URLs name the gateway that was called."""
    upload_lifetime: Duration = timedelta(hours=1)
    """How long an upload may take, and how long a signed upload URL is valid."""
    download_lifetime: Duration = timedelta(hours=1)
    """How long a signed download URL is valid."""
