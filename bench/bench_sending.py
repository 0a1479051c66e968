"""Benchmark campaigns: expansion of a million recipients, and deliveries to a provider that answers at once.

`python -m bench.bench_sending [--quick]`. In one process; "per core" does not count the database's CPU.
"""

import asyncio
import resource
import sys
from collections.abc import Mapping
from time import perf_counter, process_time
from uuid import UUID

from rich.table import Table
from uuid_utils.compat import uuid7

from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.provider_rate_limit import ProviderRateLimit
from conversations.domain.providers import Outgoing, OutgoingCall, ProviderAccount, WebhookEvent
from conversations.store.campaign_runs import add_run
from conversations.workers.campaign_expander import CampaignExpander
from conversations.workers.delivery_attempts import DeliveryAttempts
from conversations.workers.message_sender import MessageSender
from switchboard.contracts.conversation_commands import CampaignAudience, CampaignRun
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.background import Stop
from switchboard.runtime.redis import open_redis
from switchboard.runtime.terminal import Terminal
from switchboard.testing.databases import Databases
from switchboard.testing.servers import begin_run, end_run, find_servers

TENANT = UUID(int=1)
CONTACTS = """
insert into contacts (id, tenant_id, phone, name)
select uuid7(), $1, '+1' || (2010000000 + n), 'Contact ' || n from generate_series(1, $2::int) n
"""


class AtOnce:
    """A provider that accepts each message at once."""

    name = "at_once"
    idempotent = True
    carries_attachments = True

    async def send(self, _account: ProviderAccount, message: Outgoing) -> str | None:
        return message.id.hex

    async def call(self, _account: ProviderAccount, call: OutgoingCall) -> str | None:
        return call.id.hex

    def read_webhook(
        self, _account: ProviderAccount, _target: str, _headers: Mapping[str, str], _body: bytes
    ) -> WebhookEvent | None:
        raise NotImplementedError


async def campaign(database: Database, recipients: int) -> None:
    async with database.connection() as conn:
        await conn.execute(CONTACTS, TENANT, recipients, timeout=300)
        run = CampaignRun(
            campaign_id=uuid7(),
            user_id=UUID(int=11),
            name="bench",
            template="Hello {{name}}",
            audience=CampaignAudience(all=True),
        )
        await add_run(conn, TENANT, run, channel="sms")


async def expansion(database: Database) -> float:
    """Measure the seconds until every recipient has a row."""
    expanding = CampaignExpander(database, "US")
    started = perf_counter()
    while await expanding.expand_one_chunk():
        pass
    return perf_counter() - started


async def deliveries(database: Database, redis_url: str, seconds: float) -> tuple[float, float]:
    """Measure deliveries a second, in total and per core of this process."""
    accounts = ProviderAccounts({"at_once": AtOnce()}, ProviderAccount("at_once", "+15005550006", "default"))
    async with open_redis(redis_url) as redis:
        rate_limit = ProviderRateLimit(redis, provider_rate=100_000, tenant_rate=100_000)
        attempts = DeliveryAttempts(database, accounts, rate_limit)
        sender, stop = MessageSender(attempts, instance="bench", slots=200), Stop()
        before, began, started = process_time(), await _sent(database), perf_counter()
        running = asyncio.create_task(sender.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await running
        took, used = perf_counter() - started, process_time() - before
        done = await _sent(database) - began
    return done / took, done / used


async def _sent(database: Database) -> int:
    async with database.connection() as conn:
        return int(await conn.fetchval("select count(*) from deliveries where status = 'sent'", timeout=60))


async def run(url: str, redis_url: str, recipients: int, seconds: float) -> list[tuple[str, str]]:
    async with open_database(url, application="conversations") as database:
        await campaign(database, recipients)
        took = await expansion(database)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        in_all, per_core = await deliveries(database, redis_url, seconds)
    return [
        (f"expansion of {recipients:,} recipients", f"{took:,.1f} s"),
        ("peak memory of the process that expanded", f"{peak:,.0f} MB"),
        ("deliveries/s to a provider that answers at once, one process", f"{in_all:,.0f}"),
        ("the same per core of that process", f"{per_core:,.0f}"),
    ]


def main() -> None:
    quick = "--quick" in sys.argv
    begin_run()
    try:
        servers = find_servers()
        databases = Databases(servers.database_url)
        url = databases.fresh("conversations")
        rows = asyncio.run(run(url, servers.redis_url, 100_000 if quick else 1_000_000, 5.0 if quick else 20.0))
        databases.drop(url)
        databases.close()
    finally:
        end_run()
    table = Table("sending", "measured")
    for row in rows:
        table.add_row(*row)
    Terminal().print(table)


if __name__ == "__main__":
    main()
