"""The gateway's settings, read from its environment."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from switchboard.runtime.settings import PublicUrl, RedisSettings, Url, Urls


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
"""Addresses and networks, separated by commas."""


class Settings(RedisSettings):
    """`identity_key_file`: the private JWK set. Its first private key signs identities."""

    auth_urls: Urls
    files_urls: Urls
    conversations_urls: Urls
    scheduler_urls: Urls
    realtime_urls: Urls
    identity_key_file: Path
    public_url: PublicUrl = "http://127.0.0.1:8080"
    frontend_url: Url | None = None
    trusted_proxies: Networks = ()
    max_upload_bytes: int = Field(default=52428800, ge=1)
    s3_endpoint: Url | None = None
    """The S3 server behind `/s3/`. Only set where clients can't reach S3 themselves."""
    rate_limit_user: int = Field(default=500, ge=1)
    """Requests a second, averaged over ten seconds; so is `rate_limit_address`."""
    rate_limit_address: int = Field(default=1000, ge=1)

    @property
    def upstream_urls(self) -> dict[str, Urls]:
        """URLs by service; `store` is S3, where it is served here."""
        services = {
            "auth": self.auth_urls,
            "files": self.files_urls,
            "conversations": self.conversations_urls,
            "scheduler": self.scheduler_urls,
            "realtime": self.realtime_urls,
        }
        return services | ({"store": (self.s3_endpoint,)} if self.s3_endpoint else {})

    @property
    def logs_requests(self) -> bool:
        """Whether each request is logged."""
        return self.log_level in ("debug", "info")
