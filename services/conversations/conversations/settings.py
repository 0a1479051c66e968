"""What the environment says."""

from __future__ import annotations

from typing import Annotated

import phonenumbers
from pydantic import AfterValidator

from switchboard.runtime.settings import BusSettings, DatabaseSettings, IdentitySettings, RedisSettings


def _known_region(region: str) -> str:
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country's two letters, such as US")
    return region.upper()


Region = Annotated[str, AfterValidator(_known_region)]


class Settings(DatabaseSettings, BusSettings, RedisSettings, IdentitySettings):
    """Settings of `conversations`."""

    default_region: Region = "US"
    """Where a phone that is written without a country is at home."""
