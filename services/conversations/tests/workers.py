"""The workers that send, running while a test does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conversations.actions.messages import NothingHeld
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.workers.campaign_expander import CampaignExpander
from conversations.workers.campaign_progress import ProgressReporter
from conversations.workers.delivery_attempts import DeliveryAttempts
from conversations.workers.delivery_recovery import DeliveryRecovery
from conversations.workers.held_deliveries import HeldDeliveries
from conversations.workers.message_sender import SLOTS, MessageSender
from conversations.workers.sandbox_reports import SandboxReporter
from switchboard.runtime.background import Loop, Stop, run_loops
from switchboard.runtime.redis import open_redis

from .client import ConversationsClient


@asynccontextmanager
async def running_workers(
    client: ConversationsClient,
    redis_url: str,
    *,
    provider_rate: float = 1000.0,
    tenant_rate: float = 1000.0,
    holds: bool = True,
    slots: int = SLOTS,
    **options: Any,
) -> AsyncIterator[None]:
    """Run the workers until the block ends. `holds`: new messages too. `options`: of `DeliveryAttempts`."""
    async with open_redis(redis_url) as redis:
        rate_limit = ProviderRateLimit(redis, provider_rate=provider_rate, tenant_rate=tenant_rate)
        attempts = DeliveryAttempts(client.database, client.accounts, rate_limit, **options)
        sender = MessageSender(attempts, instance="conversations-test", slots=slots)
        holder = HeldDeliveries(client.database, client.accounts, rate_limit, sender, instance="conversations-test")
        loops: list[Loop] = [
            sender.run,
            DeliveryRecovery(client.database, client.accounts).run,
            CampaignExpander(client.database, "US", chunk=300).run,
            ProgressReporter(client.database).run,
            SandboxReporter(client.database).run,
        ]
        stop = Stop()
        running = asyncio.create_task(run_loops(loops, stop))
        await asyncio.sleep(0)  # they begin
        if holds:
            client.holder.holder = holder
        try:
            yield
        finally:
            client.holder.holder = NothingHeld()
            stop.set()
            await running
