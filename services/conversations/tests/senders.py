"""The loops that send, beside a world."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from conversations.sending.expansion import Expansion
from conversations.sending.pace import Pace
from conversations.sending.progress import progressing
from conversations.sending.recovery import recovering
from conversations.sending.sandbox_reports import reporting
from conversations.sending.sender import Sender
from switchboard.runtime.loops import Stop, run_loops
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
