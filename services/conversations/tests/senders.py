"""The loops that send, beside a world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conversations.adapters.provider_rate_limit import Pace
from conversations.workers.campaign_expander import Expansion
from conversations.workers.campaign_progress import progressing
from conversations.workers.message_sender import Sender
from conversations.workers.sandbox_reports import reporting
from conversations.workers.stale_deliveries import recovering
from switchboard.runtime.background import Stop, run_loops
from switchboard.runtime.redis import open_redis

from .world import World


@asynccontextmanager
async def sending(
    world: World,
    redis_url: str,
    *,
    provider_rate: float = 1000.0,
    tenant_rate: float = 1000.0,
    reports: bool = True,
    **options: Any,
) -> AsyncIterator[Sender]:
    """Everything that gets out what is queued, until the block ends."""
    async with open_redis(redis_url) as redis:
        pace = Pace(redis, provider_rate=provider_rate, tenant_rate=tenant_rate)
        sender = Sender(world.database, world.accounts, pace, instance="conversations-test", **options)
        loops = [
            sender.run,
            recovering(world.database, world.accounts),
            Expansion(world.database, "US", chunk=300).run,
            progressing(world.database),
        ]
        if reports:
            loops.append(reporting(world.database))
        stop = Stop()
        running = asyncio.create_task(run_loops(loops, stop))
        try:
            yield sender
        finally:
            stop.set()
            await running
