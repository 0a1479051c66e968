"""The scheduler's settings, from the environment."""

from datetime import timedelta

from pydantic import model_validator

from switchboard.runtime.phones import Region
from switchboard.runtime.settings import BusSettings, DatabaseSettings, Duration, IdentitySettings

SHORTEST = timedelta(milliseconds=50)
LONGEST = timedelta(minutes=1)


class Settings(DatabaseSettings, BusSettings, IdentitySettings):
    """A dead or hanging leader is replaced within `lease_ttl`, and at once after SIGTERM."""

    lease_ttl: Duration = timedelta(milliseconds=3000)
    lease_margin: Duration = timedelta(milliseconds=600)
    """How long before its lease expires the leader stops trusting it."""
    lease_renew_every: Duration = timedelta(milliseconds=1000)
    late_after: Duration = timedelta(seconds=5)
    """An occurrence that fires later than this after its due time is marked late."""

    default_region: Region = "US"
    """The country of phone numbers without a country code."""

    @model_validator(mode="after")
    def _lease_is_renewed_in_time(self) -> "Settings":
        if not min(self.lease_margin, self.lease_renew_every) >= SHORTEST:
            raise ValueError("LEASE_MARGIN and LEASE_RENEW_EVERY must be at least 50ms")
        if self.lease_margin + self.lease_renew_every >= self.lease_ttl:
            raise ValueError("LEASE_TTL must be longer than LEASE_MARGIN and LEASE_RENEW_EVERY together")
        if self.lease_ttl + self.lease_renew_every >= LONGEST:
            raise ValueError("LEASE_TTL and LEASE_RENEW_EVERY together must be less than 1m")
        return self
