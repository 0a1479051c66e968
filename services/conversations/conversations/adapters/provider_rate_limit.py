"""Rate limits per provider account, per tenant and per campaign, shared by all instances through Redis (GCRA).

An account that answers 429 is paused for as long as it asks, continues at half its rate and recovers gradually.
"""

from collections.abc import Mapping

from redis.asyncio import Redis

from conversations.domain.providers import ProviderAccount
from switchboard.runtime.rate_limits import Gcra, Rate


class ProviderRateLimit:
    """Grants sends before they are claimed. Without Redis it raises `RedisUnavailable`, and nothing is sent."""

    def __init__(
        self, redis: Redis, *, provider_rate: float, tenant_rate: float, rates_of: Mapping[str, float] | None = None
    ) -> None:
        """`rates_of`: of accounts of these providers, instead of `provider_rate`."""
        self._provider_rate = provider_rate
        self._rates_of = rates_of or {}
        self._tenant_rate = tenant_rate
        self._gcra = Gcra(redis)
        self.grant = self._gcra.grant
        self.grant_each = self._gcra.grant_each
        self.give_back = self._gcra.give_back

    def rates(
        self, account: ProviderAccount, tenant: object, campaign: object, campaign_rate: float | None
    ) -> list[Rate]:
        """The rates that apply to a lane."""
        found = [self.account_rate(account), Rate(f"pace:tenant:{tenant}", self._tenant_rate)]
        if campaign is not None and campaign_rate is not None:
            found.append(Rate(f"pace:campaign:{campaign}", campaign_rate))
        return found

    def account_rate(self, account: ProviderAccount) -> Rate:
        """The rate that all lanes of the account share."""
        rate = self._rates_of.get(account.provider, self._provider_rate)
        return Rate(f"pace:{account.rate_limit_key}", rate, _slow_key(account))

    async def is_exhausted(self, account: ProviderAccount) -> bool:
        """Whether the account itself has no grant left, whatever the tenant."""
        rate = [self.account_rate(account)]
        grant = await self._gcra.grant(rate, 1)
        await self._gcra.give_back(rate, grant.count)
        return grant.count == 0

    async def slow_down(self, account: ProviderAccount, after: float) -> None:
        """Slow the account down after a 429. `after`: seconds to pause."""
        await self._gcra.slow_down(_slow_key(account), after)


def _slow_key(account: ProviderAccount) -> str:
    return f"slow:{account.rate_limit_key}"
