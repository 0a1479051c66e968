"""The sandbox provider's own storage: accepted messages by idempotency key, and the receipts that are due."""

from datetime import timedelta
from uuid import UUID

import asyncpg

from conversations.domain.providers import Outgoing

ADD = """
insert into sandbox_messages (idempotency_key, ref, tenant_id, sender, recipient, body, report_at, outcome)
values ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7, 'delivered')
on conflict (idempotency_key) do nothing
"""
TAKE_REPORTS = """
update sandbox_messages set report_at = null where idempotency_key in (
    select idempotency_key from sandbox_messages where report_at <= clock_timestamp()
    order by report_at limit $1 for update skip locked)
returning idempotency_key
"""
LIST_ANSWERED_CALLS = """
select id from calls where provider = 'sandbox' and status = 'ringing' and due_at < clock_timestamp() - $1::interval
limit 100
"""


async def add_sandbox_message(
    conn: asyncpg.Connection, sender: str, message: Outgoing, reports_after: timedelta
) -> str:
    """Store a message. Returns its id, the same for a repeated one."""
    ref = f"SB{message.id.hex}"
    await conn.execute(ADD, message.id, ref, message.tenant_id, sender, message.recipient, message.body, reports_after)
    return ref


async def take_reports(conn: asyncpg.Connection, limit: int) -> list[UUID]:
    """Take the messages to report now, so that no other instance reports them."""
    return [row["idempotency_key"] for row in await conn.fetch(TAKE_REPORTS, limit)]


async def list_answered_calls(conn: asyncpg.Connection, after: timedelta) -> list[UUID]:
    """Sandbox calls that have rung for longer than `after`, and so count as completed."""
    return [row["id"] for row in await conn.fetch(LIST_ANSWERED_CALLS, after)]
