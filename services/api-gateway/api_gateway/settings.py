"""What the gateway is told by its environment."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from api_gateway.identity.credentials import Network
from switchboard.runtime.settings import PublicUrl, RedisSettings, Url, Urls


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
"""Addresses and networks, separated by commas."""


class Settings(RedisSettings):
    """`identity_key_file`: the private JWK set whose first private key signs identities."""

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
    """The store that signed requests under `/s3/` go to; only for one that clients can't reach themselves."""
    rate_limit_user: int = Field(default=500, ge=1)
    """Requests a second, over ten seconds, as `rate_limit_address`."""
    rate_limit_address: int = Field(default=1000, ge=1)
