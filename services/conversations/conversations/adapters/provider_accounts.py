"""Which account and which provider a tenant sends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import asyncpg

from conversations.domain.providers import Account, Provider
from conversations.store.channels import find_account_by_key, find_default_account
from switchboard.postgres.database import Database

FRESH_SECONDS = 2.0
REMEMBERED = 10_000


@dataclass
class Accounts:
    """`default`: the installation's own account, for tenants that have none."""

    providers: Mapping[str, Provider]
    default: Account
    _seen: dict[UUID, tuple[Account, float]] = field(default_factory=dict)

    async def of_tenant(self, conn: asyncpg.Connection, tenant_id: UUID) -> Account:
        """At most a moment old."""
        seen = self._seen.get(tenant_id)
        if seen is not None and monotonic() < seen[1]:
            return seen[0]
        found = await find_default_account(conn, tenant_id)
        account = found if found is not None and found.provider in self.providers else self.default
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[tenant_id] = (account, monotonic() + FRESH_SECONDS)
        return account

    async def of_endpoint(self, database: Database, provider: str, endpoint_key: str) -> Account | None:
        """Whose webhook this is."""
        if (provider, endpoint_key) == (self.default.provider, self.default.endpoint_key):
            return self.default
        async with database.connection() as conn:
            return await find_account_by_key(conn, provider, endpoint_key)

    def provider_of(self, account: Account) -> Provider:
        return self.providers[account.provider]

    def keyed(self) -> frozenset[str]:
        """The providers that take idempotency keys."""
        return frozenset(name for name, provider in self.providers.items() if provider.takes_keys)
