"""The message sender in which one await fails: it goes on, or ends its process."""

import asyncio
import itertools

import asyncpg
import pytest
import redis.exceptions

from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.workers.delivery_attempts import DeliveryAttempts
from conversations.workers.message_sender import MessageSender
from switchboard.runtime.background import Loop
from switchboard.runtime.redis import open_redis
from switchboard.testing import until
from switchboard.testing.interrupted_awaits import connection_errors, goes_on_or_ends

from .client import ANNA, PHONE, ConversationsClient

ERRORS = connection_errors(asyncpg) + connection_errors(redis.exceptions)


@pytest.mark.parametrize(
    "error",
    [asyncio.CancelledError, asyncpg.ConnectionDoesNotExistError]
    + [pytest.param(kind, marks=pytest.mark.slow) for kind in ERRORS],
)
async def test_an_interrupted_sender_goes_on(
    client: ConversationsClient, redis_url: str, error: type[BaseException]
) -> None:
    numbers = itertools.count(1)
    async with open_redis(redis_url) as counts:
        rate_limit = ProviderRateLimit(counts, provider_rate=1000, tenant_rate=1000)

        async def count_sent() -> int:
            [row] = await client.fetch("select count(*) as n from deliveries where status = 'sent'")
            return int(row["n"])

        async def send_one() -> None:
            before = await count_sent()

            async def sent_another() -> bool:  # one that was claimed before the error waits for its lease to expire
                await client.say(ANNA, PHONE, f"message {next(numbers)}")
                await asyncio.sleep(0.05)
                return await count_sent() > before

            await until(sent_another)

        def make() -> Loop:
            attempts = DeliveryAttempts(client.database, client.accounts, rate_limit)
            return MessageSender(attempts, instance="conversations-test").run

        assert await goes_on_or_ends(make, send_one, error) > 5
