"""Presigned URLs of the bucket, as the client of a request can reach them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from files.adapters.bucket import Bucket
from files.domain.file_names import incoming_key
from files.domain.files import File
from files.settings import Settings
from switchboard.http import Request


class SignedUrl(NamedTuple):
    """A presigned URL and when it expires."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class SignedUrls:
    """Signs URLs for uploads and downloads. `through_gateway`: they name the gateway that the request came through."""

    bucket: Bucket
    upload_lifetime: timedelta
    download_lifetime: timedelta
    through_gateway: bool

    @classmethod
    def of(cls, settings: Settings, bucket: Bucket) -> "SignedUrls":
        """Make it with the lifetimes of the settings."""
        return cls(bucket, settings.upload_lifetime, settings.download_lifetime, settings.s3_through_gateway)

    async def upload(self, file: File, request: Request) -> SignedUrl:
        """A URL to put exactly the announced object."""
        expires_at = datetime.now(UTC) + self.upload_lifetime
        url = await self.bucket.signed_upload(
            incoming_key(file.id),
            size=file.size,
            content_type=file.content_type,
            seconds=int(self.upload_lifetime.total_seconds()),
        )
        return SignedUrl(self._reachable(url, request), expires_at)

    async def download(self, file: File, request: Request, *, head: bool = False) -> SignedUrl:
        """A URL to read the file, from the content delivery network if there is one. `head`: for HEAD requests."""
        expires_at = datetime.now(UTC) + self.download_lifetime
        url = await self.bucket.signed_download(file.key, int(self.download_lifetime.total_seconds()), head=head)
        return SignedUrl(url if self.bucket.has_cdn else self._reachable(url, request), expires_at)

    def _reachable(self, url: str, request: Request) -> str:
        headers = request.http.headers
        host = headers.get("X-Forwarded-Host")
        if not self.through_gateway or not host:
            return url
        signed = urlsplit(url)
        return f"{headers.get('X-Forwarded-Proto', 'http')}://{host}/s3{signed.path}?{signed.query}"
