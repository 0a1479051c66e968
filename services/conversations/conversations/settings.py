"""Settings of conversations, read from the environment."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from switchboard.runtime.phones import Region
from switchboard.runtime.settings import (
    BusSettings,
    DatabaseSettings,
    IdentitySettings,
    RedisSettings,
    Url,
    Urls,
    is_loopback,
)

Rate = Annotated[float, Field(gt=0, le=100_000)]


class Settings(DatabaseSettings, BusSettings, RedisSettings, IdentitySettings):
    files_urls: Urls
    default_region: Region = "US"
    """The country of phone numbers without a country code."""
    public_url: Url = "http://127.0.0.1:8080"
    """The base URL at which providers reach the webhooks."""
    messaging_provider: Literal["sandbox", "twilio"] = "sandbox"
    """The provider for tenants without a channel."""
    twilio_account_sid: str = ""
    twilio_auth_token: str = Field(default="", repr=False)
    twilio_from: str = ""
    twilio_base_url: Url = "https://api.twilio.com"
    uncertain_policy: Literal["hold", "resend"] = "hold"
    """After an unknown outcome: hold the delivery as uncertain, or resend it, though it may arrive twice."""
    provider_rate: Rate = 100.0
    """Messages a second for one provider account, of all instances together."""
    sandbox_rate: Rate = 10_000.0
    """The same for the sandbox provider, which sends nothing."""
    tenant_rate: Rate = 100.0
    """Messages a second for one tenant, of all instances together."""
    encryption_key_file: Path | None = None
    """The keys that channels' credentials are encrypted with. Required unless `public_url` is this machine."""
    keep_clear_credentials: bool = False
    """Write credentials in clear too, as long as instances of a release without encryption run."""
    event_hints: bool = True
    """Append events to realtime's log right after their commit. Without it clients get them by the bus alone, later."""
    sending_slots: int = Field(default=64, ge=2, le=1000)
    """Messages that one instance sends at the same time."""

    @model_validator(mode="after")
    def _twilio_is_complete(self) -> Self:
        if self.messaging_provider == "twilio" and not (
            self.twilio_account_sid and self.twilio_auth_token and self.twilio_from
        ):
            raise ValueError("twilio requires TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_FROM")
        return self

    @model_validator(mode="after")
    def _production_encrypts(self) -> Self:
        if self.encryption_key_file is None and not is_loopback(urlsplit(self.public_url).hostname or ""):
            raise ValueError("ENCRYPTION_KEY_FILE is required: credentials of channels must not be kept in clear")
        return self
