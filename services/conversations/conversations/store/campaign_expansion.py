"""SQL of campaign expansion: an audience becomes deliveries, a chunk at a time."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from conversations.store.campaign_runs import COLUMNS, Run

# Without the phones of the audience, which are read in chunks.
_RUN = COLUMNS.replace("audience,", "audience - 'phones',")
LOCK_UNEXPANDED = f"""
select {_RUN} from campaign_runs where status = 'running' and not expanded
order by started_at limit 1 for update skip locked
"""
LIST_PHONES = """
select value as phone
from campaign_runs, jsonb_array_elements_text(audience -> 'phones') with ordinality as p (value, n)
where id = $1 and n > $2 and n <= $2 + $3 order by n
"""
ADD_PHONES = """
insert into deliveries (id, tenant_id, lane, campaign_id, user_id, contact_phone, channel, not_after)
select uuid7(), $2, 1, $1, $3, phone, $4, $5 from unnest($6::text[]) phone
on conflict (campaign_id, contact_phone) where campaign_id is not null do nothing
"""
_ADD_CONTACTS = """
with chunk as (
    select id, phone from contacts where tenant_id = $2 and id > $6 {tagged} order by id limit $7
), added as (
    insert into deliveries (id, tenant_id, lane, campaign_id, user_id, contact_phone, channel, not_after)
    select uuid7(), $2, 1, $1, $3, phone, $4, $5 from chunk
    on conflict (campaign_id, contact_phone) where campaign_id is not null do nothing
)
select max(id::text)::uuid from chunk
"""
ADD_ALL = _ADD_CONTACTS.format(tagged="")
ADD_TAGGED = _ADD_CONTACTS.format(tagged="and tags && $8::text[]")
ADD_REJECTED = """
insert into deliveries
    (id, tenant_id, lane, campaign_id, user_id, contact_phone, channel, status, reason, settled_at)
select uuid7(), $2, 1, $1, $3, phone, $4, 'skipped', 'not a phone number', clock_timestamp()
from unnest($5::text[]) phone
on conflict (campaign_id, contact_phone) where campaign_id is not null do nothing
"""
SAVE_EXPANDED_TO = "update campaign_runs set expanded_to = $2, expanded = $3 where id = $1"


async def lock_unexpanded(conn: asyncpg.Connection) -> Run | None:
    """Lock a campaign run that is not expanded yet and that no other instance expands."""
    row = await conn.fetchrow(LOCK_UNEXPANDED)
    return None if row is None else Run(*row)


async def list_phones(conn: asyncpg.Connection, run_id: UUID, after: int, limit: int) -> list[str]:
    """Phones of an audience that is a list, after the first `after`."""
    return [row["phone"] for row in await conn.fetch(LIST_PHONES, run_id, after, limit)]


async def add_phones(conn: asyncpg.Connection, run: Run, phones: Sequence[str]) -> None:
    """Add a delivery for each phone that has none in this campaign."""
    await conn.execute(ADD_PHONES, run.id, run.tenant_id, run.user_id, run.channel, run.not_after, list(phones))


async def add_rejected(conn: asyncpg.Connection, run: Run, phones: Sequence[str]) -> None:
    """Add a skipped delivery for each text that is not a phone, so that the delivery list gives the reason."""
    await conn.execute(ADD_REJECTED, run.id, run.tenant_id, run.user_id, run.channel, list(phones))


async def add_contacts(
    conn: asyncpg.Connection, run: Run, *, tags: Sequence[str] | None, after: UUID, limit: int
) -> UUID | None:
    """Add deliveries for the next contacts, of all or some tags. Returns the last contact; None when none is left."""
    values = (run.id, run.tenant_id, run.user_id, run.channel, run.not_after, after, limit)
    last: UUID | None = (
        await conn.fetchval(ADD_ALL, *values) if tags is None else await conn.fetchval(ADD_TAGGED, *values, list(tags))
    )
    return last


async def save_expanded_to(conn: asyncpg.Connection, run_id: UUID, position: str, *, done: bool) -> None:
    """Save how far the audience is expanded."""
    await conn.execute(SAVE_EXPANDED_TO, run_id, position, done)
