"""Rate limits per provider account, per tenant and per campaign, shared by all instances through Redis (GCRA).

An account that answers 429 is paused for as long as it asks, continues at half its rate and recovers gradually.
"""

from redis.asyncio import Redis

from conversations.domain.providers import ProviderAccount
from switchboard.runtime.rate_limits import Gcra, Rate


class ProviderRateLimit:
    """Grants sends before they are claimed. Without Redis it raises `RedisUnavailable`, and nothing is sent."""

    def __init__(self, redis: Redis, *, provider_rate: float, tenant_rate: float) -> None:
        self._provider_rate = provider_rate
        self._tenant_rate = tenant_rate
        self._gcra = Gcra(redis)
        self.grant = self._gcra.grant
        self.give_back = self._gcra.give_back

    def rates(
        self, account: ProviderAccount, tenant: object, campaign: object, campaign_rate: float | None
    ) -> list[Rate]:
        """The rates that apply to a lane."""
        found = [
            Rate(f"pace:{account.rate_limit_key}", self._provider_rate, _slow_key(account)),
            Rate(f"pace:tenant:{tenant}", self._tenant_rate),
        ]
        if campaign is not None and campaign_rate is not None:
            found.append(Rate(f"pace:campaign:{campaign}", campaign_rate))
        return found

    async def slow_down(self, account: ProviderAccount, after: float) -> None:
        """Slow the account down after a 429. `after`: seconds to pause."""
        await self._gcra.slow_down(_slow_key(account), after)


def _slow_key(account: ProviderAccount) -> str:
    return f"slow:{account.rate_limit_key}"
