"""Held deliveries: the process that stores a single message sends it at once, without a claim.

A delivery is stored as claimed by this process, under a lease. If the process ends, the lease expires, and the delivery
is recovered like any other. What exceeds the rates goes to the lanes, where tenants take turns.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog

from conversations.actions.claiming import lease_holder
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.domain.providers import ProviderAccount
from conversations.store.delivery_claims import Claimed
from conversations.workers.message_sender import MessageSender
from switchboard.postgres.database import Database
from switchboard.runtime.unavailable import Unavailable

log = structlog.get_logger(__name__)


class HeldDeliveries:
    """A `DeliveryHolder` that uses the slots of this process's message sender."""

    def __init__(
        self,
        database: Database,
        accounts: ProviderAccounts,
        rate_limit: ProviderRateLimit,
        sender: MessageSender,
        *,
        instance: str,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._rate_limit = rate_limit
        self._sender = sender
        self._holder = lease_holder(instance)
        self._sending: set[asyncio.Task[None]] = set()

    def reserve(self, tenants: Sequence[UUID | None]) -> list[str | None]:
        return [self._holder if tenant is not None and self._sender.reserve(tenant) else None for tenant in tenants]

    def send(self, reserved: Sequence[UUID], held: Sequence[Claimed]) -> None:
        unused = Counter(reserved) - Counter(row.tenant_id for row in held)
        for tenant in unused.elements():
            self._sender.give_back(tenant)
        if held:
            task = asyncio.create_task(self._send(held))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, held: Sequence[Claimed]) -> None:
        by_tenant: dict[UUID, list[Claimed]] = defaultdict(list)
        for row in held:
            by_tenant[row.tenant_id].append(row)
        refused: list[Claimed] = []
        try:
            accounts = await self._accounts_of(list(by_tenant))
            granted = await self._rate_limit.grant_each(
                [
                    (self._rate_limit.rates(accounts[tenant], tenant, None, None), len(rows))
                    for tenant, rows in by_tenant.items()
                ]
            )
        except Unavailable as error:
            log.info("held_deliveries_postponed", reason=str(error))
            for row in held:
                self._sender.give_back(row.tenant_id)
            await self._release(held)
            return
        for (tenant, rows), grant in zip(by_tenant.items(), granted, strict=True):
            for _ in rows:
                self._sender.give_back(tenant)
            for row in rows[: grant.count]:
                self._sender.send_held(row, accounts[tenant])
            refused += rows[grant.count :]
        if refused:
            await self._release(refused)

    async def _accounts_of(self, tenants: Sequence[UUID]) -> dict[UUID, ProviderAccount]:
        async with self._database.connection() as conn:
            return {tenant: await self._accounts.of_tenant(conn, tenant) for tenant in tenants}

    async def _release(self, rows: Sequence[Claimed]) -> None:
        try:
            await self._sender.release_held(rows)
        except Unavailable as error:
            log.info("held_deliveries_left_to_recovery", deliveries=len(rows), reason=str(error))
