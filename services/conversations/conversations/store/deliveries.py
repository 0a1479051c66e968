"""Deliveries: one row for each recipient. See `delivery_claims` and `delivery_settlement` for how they change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

COLUMNS = """
id, tenant_id, campaign_id, user_id, contact_phone, channel, message_id, seq, status, reason, attempts, provider,
provider_ref, created_at, sent_at, settled_at, traceparent
"""
FIND = f"select {COLUMNS} from deliveries where id = any($1::uuid[])"
FIND_BY_REF = f"select {COLUMNS} from deliveries where provider = $1 and provider_ref = $2"
LIST_OF_CAMPAIGN = f"""
select {COLUMNS} from deliveries
where tenant_id = $1 and campaign_id = $2 and ($3::text is null or status = $3) and id > $4 order by id limit $5
"""
LIST_UNCERTAIN = f"""
select {COLUMNS} from deliveries
where status = 'uncertain' and ($1::uuid is null or tenant_id = $1) order by id limit $2
"""
RESEND = """
update deliveries set status = 'pending', reason = null, settled_at = null, attempting_at = null,
    due_at = clock_timestamp()
where id = $1 and status = 'uncertain' returning id
"""
ADD_NOTICE = """
insert into deliveries (id, tenant_id, lane, user_id, contact_phone, channel, body, not_after)
values ($1, $2, 0, $3, $4, 'sms', $5, $6)
"""


@dataclass(frozen=True)
class Delivery:
    """A delivery: one message to one recipient."""

    id: UUID
    tenant_id: UUID
    campaign_id: UUID | None
    user_id: UUID
    contact_phone: str
    channel: str
    message_id: UUID | None
    seq: int | None
    status: str
    reason: str | None
    attempts: int
    provider: str | None
    provider_ref: str | None
    created_at: datetime
    sent_at: datetime | None
    settled_at: datetime | None
    traceparent: str | None


async def find_deliveries(conn: asyncpg.Connection, ids: Sequence[UUID]) -> list[Delivery]:
    return [Delivery(*row) for row in await conn.fetch(FIND, list(ids))]


async def find_delivery_by_ref(conn: asyncpg.Connection, provider: str, ref: str) -> Delivery | None:
    row = await conn.fetchrow(FIND_BY_REF, provider, ref)
    return None if row is None else Delivery(*row)


async def list_of_campaign(
    conn: asyncpg.Connection, tenant_id: UUID, campaign_id: UUID, *, status: str | None, after: UUID, limit: int
) -> list[Delivery]:
    """A page of a campaign's deliveries, those after the id `after`."""
    rows = await conn.fetch(LIST_OF_CAMPAIGN, tenant_id, campaign_id, status, after, limit)
    return [Delivery(*row) for row in rows]


async def list_uncertain(conn: asyncpg.Connection, tenant_id: UUID | None, limit: int) -> list[Delivery]:
    """Deliveries with an unknown outcome, oldest first, of one tenant or of all."""
    return [Delivery(*row) for row in await conn.fetch(LIST_UNCERTAIN, tenant_id, limit)]


async def resend(conn: asyncpg.Connection, delivery_id: UUID) -> bool:
    """Queue an uncertain delivery again. False when it is not uncertain."""
    return await conn.fetchval(RESEND, delivery_id) is not None


async def add_notice(
    conn: asyncpg.Connection,
    delivery_id: UUID,
    tenant_id: UUID,
    user_id: UUID,
    phone: str,
    body: str,
    not_after: datetime,
) -> None:
    """Queue a message to a user's own phone. It belongs to no conversation."""
    await conn.execute(ADD_NOTICE, delivery_id, tenant_id, user_id, phone, body, not_after)
