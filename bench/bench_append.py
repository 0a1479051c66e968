"""Benchmark appending a message to a growing conversation, compared with the legacy platform's JSON column.

`python -m bench.bench_append [--quick]`. Both use the same Postgres, pool and number of tasks. Switchboard's append
writes conversation, message, event and delivery in one statement and commit. The legacy platform's append rewrites the
row of `ConversationHistory`, as Prisma's `push` on a Json field does.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from uuid import UUID, uuid4
from weakref import WeakKeyDictionary

import orjson
from rich.table import Table

from conversations.actions.messages import MessageAppender, NothingHeld, outgoing_message
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.terminal import Terminal
from switchboard.testing.databases import Databases
from switchboard.testing.servers import begin_run, end_run, find_servers

SIZES = (10, 1_000, 10_000)
CONCURRENCY = 16
TENANT = UUID(int=1)
BODY = "Thursday after five would be great. Could you send me the address again, please?"
LEGACY_TABLE = """
create table if not exists conversation_history (
    id uuid primary key, user_id text not null, contact_phone text not null, messages jsonb not null default '[]',
    metadata jsonb, updated_at timestamptz not null default now(), unique (user_id, contact_phone)
)
"""
PUSH = """
insert into conversation_history (id, user_id, contact_phone, messages)
values ($1, $2, $3, jsonb_build_array($4::jsonb))
on conflict (user_id, contact_phone) do update
set messages = conversation_history.messages || excluded.messages, updated_at = now()
"""

Append = Callable[[Database, UUID, str], Awaitable[None]]


_appenders: WeakKeyDictionary[Database, MessageAppender] = WeakKeyDictionary()


async def append_here(database: Database, user_id: UUID, phone: str) -> None:
    appender = _appenders.setdefault(database, MessageAppender(database, NothingHeld()))
    await appender.append(outgoing_message(TENANT, user_id, phone, BODY, channel="sms"), None)


async def append_legacy(database: Database, user_id: UUID, phone: str) -> None:
    message = {
        "id": str(uuid4()),
        "role": "assistant",
        "content": BODY,
        "timestamp": datetime.now(UTC),
        "status": "sent",
    }
    async with database.connection() as conn:
        await conn.execute(PUSH, uuid4(), str(user_id), phone, orjson.loads(orjson.dumps(message)))


async def measure(database: Database, append: Append, size: int, seconds: float) -> float:
    """Measure appends a second to conversations that have `size` messages already, one task for each conversation."""
    user_id = uuid4()
    phones = [f"+1415555{n:04}" for n in range(CONCURRENCY)]
    await _fill(database, append, user_id, phones, size)
    until = perf_counter() + seconds

    async def append_until_the_end(phone: str) -> int:
        done = 0
        while perf_counter() < until:
            await append(database, user_id, phone)
            done += 1
        return done

    started = perf_counter()
    done = sum(await asyncio.gather(*(append_until_the_end(phone) for phone in phones)))
    return done / (perf_counter() - started)


async def _fill(database: Database, append: Append, user_id: UUID, phones: list[str], size: int) -> None:
    """Insert the existing messages directly into the tables; this is not measured."""
    for phone in phones:
        await append(database, user_id, phone)
    async with database.connection() as conn:
        if append is append_here:
            await conn.execute(
                """
                insert into messages (conversation_id, seq, id, tenant_id, direction, channel, body, status, created_at)
                select c.id, n + 1, uuid7(), c.tenant_id, 'out', 'sms', $2, 'sent', now()
                from conversations c, generate_series(1, $3::int - 1) n where c.user_id = $1
                """,
                user_id, BODY, size, timeout=180,
            )  # fmt: skip
            await conn.execute("update conversations set last_seq = $2 where user_id = $1", user_id, size)
        else:
            await conn.execute(
                """
                update conversation_history set messages = (
                    select jsonb_agg(first.message)
                    from (select messages -> 0 as message) first, generate_series(1, $2::int)) where user_id = $1
                """,
                str(user_id), size, timeout=180,
            )  # fmt: skip
        await conn.execute("analyze", timeout=180)


async def run(url: str, seconds: float) -> list[tuple[int, float, float]]:
    """Return (messages in the conversation, Switchboard's appends/s, the legacy platform's)."""
    async with open_database(url, application="conversations", size=CONCURRENCY) as database:
        async with database.connection() as conn:
            await conn.execute(LEGACY_TABLE)
        return [
            (
                size,
                await measure(database, append_here, size, seconds),
                await measure(database, append_legacy, size, seconds),
            )
            for size in SIZES
        ]


def main() -> None:
    seconds = 2.0 if "--quick" in sys.argv else 6.0
    begin_run()
    try:
        databases = Databases(find_servers().database_url)
        rows = asyncio.run(run(databases.fresh("conversations"), seconds))
        databases.close()
    finally:
        end_run()
    table = Table("messages in the conversation", "appends/s", "legacy JSON push/s", "times as many", "aim")
    for (size, here, there), aim in zip(rows, (2, 25, 200), strict=True):
        table.add_row(f"{size:,}", f"{here:,.0f}", f"{there:,.0f}", f"{here / there:,.1f}", f"{aim}")
    Terminal().print(table)


if __name__ == "__main__":
    main()
