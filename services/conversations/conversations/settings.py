"""What the environment says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from switchboard.runtime.phones import Region
from switchboard.runtime.settings import BusSettings, DatabaseSettings, IdentitySettings, RedisSettings, Url, Urls

Rate = Annotated[float, Field(gt=0, le=100_000)]


class Settings(DatabaseSettings, BusSettings, RedisSettings, IdentitySettings):
    """Settings of `conversations`."""

    files_urls: Urls
    default_region: Region = "US"
    """Where a phone that is written without a country is at home."""
    public_url: Url = "http://127.0.0.1:8080"
    """Where providers reach our webhooks."""
    messaging_provider: Literal["sandbox", "twilio"] = "sandbox"
    """Of tenants that have no channel of their own."""
    twilio_account_sid: str = ""
    twilio_auth_token: str = Field(default="", repr=False)
    twilio_from: str = ""
    twilio_base_url: Url = "https://api.twilio.com"
    uncertain_policy: Literal["hold", "resend"] = "hold"
    provider_rate: Rate = 100.0
    """Messages a second to one account at a provider, all instances together."""
    tenant_rate: Rate = 100.0
    """Messages a second of one tenant, all instances together."""
    sending_slots: int = Field(default=64, ge=2, le=1000)
    """Messages that one instance has in hand at a time."""
    crash_at: str = Field(default="", pattern=r"^$|^(before_claim|after_claim|after_yes|before_settling):\d+$")
    """For tests of a sudden end: `after_yes:40` ends the process by SIGKILL at the 40th passing of that point."""

    @model_validator(mode="after")
    def _twilio_is_whole(self) -> Self:
        if self.messaging_provider == "twilio" and not (
            self.twilio_account_sid and self.twilio_auth_token and self.twilio_from
        ):
            raise ValueError("twilio takes TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM")
        return self
