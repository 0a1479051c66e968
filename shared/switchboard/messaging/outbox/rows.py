"""The SQL of the outbox, as the relay sees it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg

# Not "id greater than the last one": sequences commit out of order. Without row locks: the lease keeps others away,
# and what is sent twice has one effect.
LIST_UNSENT = """
select id, event_id, exchange, routing_key, type, subject, body from (select * from outbox order by id limit $4) oldest
where id <> all($1::bigint[]) and subject <> all($2::text[])
order by id limit $3
"""
LIST_THESE = """
select id, event_id, exchange, routing_key, type, subject, body from outbox where id = any($1::bigint[]) order by id
"""
DROP_SENT = "delete from outbox where id = any($1::bigint[])"
OLDEST = """
select coalesce(extract(epoch from clock_timestamp() - created_at), 0)::float
from outbox order by id limit 1
"""


@dataclass(frozen=True, slots=True)
class UnsentRow:
    id: int
    event_id: UUID
    exchange: str
    routing_key: str
    type: str
    subject: str
    body: bytes


async def list_unsent(
    conn: asyncpg.Connection, *, besides: Collection[int], without: Collection[str], limit: int, among: int
) -> list[UnsentRow]:
    """The oldest rows, leaving out ids `besides` and subjects `without`. Looks at the oldest `among` rows at most."""
    return [UnsentRow(*row) for row in await conn.fetch(LIST_UNSENT, list(besides), list(without), limit, among)]


async def list_these(conn: asyncpg.Connection, ids: Collection[int]) -> list[UnsentRow]:
    """Those of these rows that still wait."""
    return [UnsentRow(*row) for row in await conn.fetch(LIST_THESE, list(ids))]


async def drop_sent(conn: asyncpg.Connection, ids: Collection[int]) -> None:
    await conn.execute(DROP_SENT, list(ids))


async def find_oldest_age(conn: asyncpg.Connection) -> float | None:
    """How long the oldest row has waited, in seconds; None when nothing waits."""
    age: float | None = await conn.fetchval(OLDEST)
    return age
