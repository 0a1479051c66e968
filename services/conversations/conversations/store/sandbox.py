"""The sandbox provider's own storage: accepted messages by idempotency key, and the receipts that are due."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from conversations.domain.providers import Outgoing

ADD = """
insert into sandbox_messages (idempotency_key, ref, tenant_id, sender, recipient, body, report_at, outcome)
select id, ref, tenant_id, sender, recipient, body, clock_timestamp() + $7, 'delivered'
from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[])
     as n (id, ref, tenant_id, sender, recipient, body)
on conflict (idempotency_key) do nothing
"""
TAKE_REPORTS = """
update sandbox_messages set report_at = null where idempotency_key = any(array(
    select idempotency_key from sandbox_messages where report_at <= clock_timestamp()
    order by report_at limit $1 for update skip locked))
returning idempotency_key
"""
ANY_DUE = """
select exists (select from sandbox_messages where report_at <= clock_timestamp())
    or exists (select from calls where provider = 'sandbox' and status = 'ringing'
               and due_at < clock_timestamp() - $1::interval)
"""
LIST_ANSWERED_CALLS = """
select id from calls where provider = 'sandbox' and status = 'ringing' and due_at < clock_timestamp() - $1::interval
limit 100
"""


async def add_sandbox_messages(
    conn: asyncpg.Connection, messages: Sequence[tuple[str, Outgoing]], reports_after: timedelta
) -> list[str]:
    """Store messages with their senders. Returns the id of each, the same for a repeated one."""
    rows = [(m.id, f"SB{m.id.hex}", m.tenant_id, sender, m.recipient, m.body) for sender, m in messages]
    await conn.execute(ADD, *(list(column) for column in zip(*rows, strict=True)), reports_after)
    return [ref for _, ref, *_ in rows]


async def any_due(conn: asyncpg.Connection, calls_after: timedelta) -> bool:
    """Whether there is a message or a call to report."""
    return bool(await conn.fetchval(ANY_DUE, calls_after))


async def take_reports(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Take the messages to report now, so that no other instance reports them."""
    return [row["idempotency_key"] for row in await conn.fetch(TAKE_REPORTS, limit)]


async def list_answered_calls(conn: asyncpg.Connection, after: timedelta) -> list[UUID]:
    """Sandbox calls that have rung for longer than `after`, and so count as completed."""
    return [row["id"] for row in await conn.fetch(LIST_ANSWERED_CALLS, after)]
