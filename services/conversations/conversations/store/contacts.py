"""Contacts of a tenant, one for each phone."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg

from conversations.domain.contacts import SEPARATOR, ContactRow, PhoneTaken
from conversations.domain.search import pattern_of
from switchboard.runtime.phones import spellings_of
from switchboard.runtime.refusals import NotFound

COLUMNS = "id, phone, name, tags, owner_id, opted_out, created_at, updated_at"
ADD = f"""
insert into contacts (id, tenant_id, phone, name, tags, owner_id, opted_out, opted_out_at)
select $1, $2, $3, $4, $5, $6, $7, case when $7 then clock_timestamp() end
where not exists (select from contacts where tenant_id = $2 and phone = any(spellings_of($3)))
on conflict (tenant_id, phone) do nothing returning {COLUMNS}
"""
GET = f"select {COLUMNS} from contacts where tenant_id = $1 and id = $2"
LOCK = f"{GET} for update"
SAVE = f"""
update contacts set name = $3, tags = $4, owner_id = $5, opted_out = $6, phone = $7,
    opted_out_at = case when $6 then coalesce(opted_out_at, clock_timestamp()) end, updated_at = clock_timestamp()
where tenant_id = $1 and id = $2 and (phone = $7 or not exists (
    select from contacts k where k.tenant_id = $1 and k.id <> $2 and k.phone = any(spellings_of($7))
)) returning {COLUMNS}
"""
DROP = "delete from contacts where tenant_id = $1 and id = $2 returning phone"
LIST = f"""
select {COLUMNS} from contacts
where tenant_id = $1 and id > $2 and ($3::text is null or coalesce(name, '') || ' ' || phone ilike $3)
  and ($4::text is null or tags @> array[$4] or exists (select from unnest(tags) as t where lower(t) = lower($4)))
order by id limit $5
"""
# A field that is missing in the file (null) keeps its value.
SAVE_ALL = """
insert into contacts as c (id, tenant_id, phone, name, tags, owner_id, opted_out, opted_out_at)
select id, $1, phone, name, coalesce(string_to_array(nullif(tags, ''), e'\\x1f'), '{}'), owner_id, coalesce(out, false),
       case when out then clock_timestamp() end
from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::boolean[])
     as n (id, phone, name, tags, owner_id, out)
on conflict (tenant_id, phone) do update set
    name = coalesce(excluded.name, c.name),
    tags = case when cardinality(excluded.tags) > 0 then excluded.tags else c.tags end,
    owner_id = coalesce(excluded.owner_id, c.owner_id),
    opted_out = c.opted_out or excluded.opted_out,
    opted_out_at = coalesce(c.opted_out_at, excluded.opted_out_at),
    updated_at = clock_timestamp()
where (coalesce(excluded.name, c.name), coalesce(excluded.owner_id, c.owner_id), c.opted_out or excluded.opted_out)
        is distinct from (c.name, c.owner_id, c.opted_out)
   or (cardinality(excluded.tags) > 0 and excluded.tags <> c.tags)
returning phone, case when xmax = 0 then 'created' else 'updated' end as outcome
"""
OPT = f"""
update contacts set opted_out = $3, opted_out_at = case when $3 then clock_timestamp() end,
    updated_at = clock_timestamp()
where tenant_id = $1 and phone = $2 and opted_out <> $3 returning {COLUMNS}
"""
ENSURE = f"""
insert into contacts (id, tenant_id, phone)
select id, $1, phone from unnest($2::uuid[], $3::text[]) as n (id, phone)
on conflict (tenant_id, phone) do nothing returning {COLUMNS}
"""
# Of each number the spelling that a contact has, else that of a conversation.
KNOWN = """
select n.phone, coalesce(
    (select k.phone from contacts k where k.tenant_id = $1 and k.phone = any(spellings_of(n.phone))
     order by k.phone = n.phone desc limit 1),
    (select c.contact_phone from conversations c where c.tenant_id = $1 and c.contact_phone = any(spellings_of(n.phone))
     order by c.contact_phone = n.phone desc limit 1)) as known
from unnest($2::text[]) as n (phone)
"""
# The other contact of the same line, if there is one.
LIST_PHONES = """
select k.tenant_id, k.id, k.phone, other.id as other_id, other.phone as other_phone from contacts k
     left join contacts other on other.tenant_id = k.tenant_id and other.phone = any(spellings_of(k.phone))
                              and other.id <> k.id
"""


@dataclass(frozen=True)
class Contact:
    id: UUID
    phone: str
    name: str | None
    tags: list[str]
    owner_id: UUID | None
    opted_out: bool
    created_at: datetime
    updated_at: datetime


async def add_contact(conn: asyncpg.Connection, tenant_id: UUID, contact_id: UUID, new: ContactRow) -> Contact:
    """Add a contact. Raises `PhoneTaken`."""
    values = (new.phone, new.name, list(new.tags), new.owner_id, bool(new.opted_out))
    row = await conn.fetchrow(ADD, contact_id, tenant_id, *values)
    if row is None:
        raise PhoneTaken
    return Contact(*row)


async def get_contact(conn: asyncpg.Connection, tenant_id: UUID, contact_id: UUID) -> Contact:
    """Get a contact. Raises `NotFound`."""
    return _found(await conn.fetchrow(GET, tenant_id, contact_id))


async def lock_contact(conn: asyncpg.Connection, tenant_id: UUID, contact_id: UUID) -> Contact:
    """Get a contact, its row locked. Raises `NotFound`."""
    return _found(await conn.fetchrow(LOCK, tenant_id, contact_id))


async def save_contact(conn: asyncpg.Connection, tenant_id: UUID, contact: Contact) -> Contact:
    """Save a changed contact, whose row is locked, and return it. Raises `PhoneTaken`."""
    values = (contact.name, contact.tags, contact.owner_id, contact.opted_out, contact.phone)
    try:
        row = await conn.fetchrow(SAVE, tenant_id, contact.id, *values)
    except asyncpg.UniqueViolationError:
        row = None
    if row is None:
        raise PhoneTaken
    return Contact(*row)


async def drop_contact(conn: asyncpg.Connection, tenant_id: UUID, contact_id: UUID) -> str:
    """Delete a contact, and return its phone. Raises `NotFound`."""
    phone: str | None = await conn.fetchval(DROP, tenant_id, contact_id)
    if phone is None:
        raise NotFound
    return phone


async def list_contacts(
    conn: asyncpg.Connection, tenant_id: UUID, *, after: UUID, q: str | None, tag: str | None, limit: int
) -> list[Contact]:
    """A page of contacts, those after the id `after`, oldest first. `q`: search in name and phone."""
    pattern = None if q is None else pattern_of(q)
    return [Contact(*row) for row in await conn.fetch(LIST, tenant_id, after, pattern, tag, limit)]


async def save_contacts(
    conn: asyncpg.Connection, tenant_id: UUID, rows: Sequence[ContactRow], ids: Sequence[UUID]
) -> dict[str, Literal["created", "updated"]]:
    """Add or update contacts, each phone once at most. Returns the phones of those that are new or have changed."""
    found = await conn.fetch(
        SAVE_ALL,
        tenant_id,
        list(ids),
        [row.phone for row in rows],
        [row.name for row in rows],
        [SEPARATOR.join(row.tags) for row in rows],
        [row.owner_id for row in rows],
        [row.opted_out for row in rows],
    )
    return {row["phone"]: row["outcome"] for row in found}


async def save_opted_out(conn: asyncpg.Connection, tenant_id: UUID, phone: str, *, opted_out: bool) -> Contact | None:
    """Opt a contact out or in, and return it. None when nothing changed."""
    row = await conn.fetchrow(OPT, tenant_id, phone, opted_out)
    return None if row is None else Contact(*row)


async def ensure_contacts(
    conn: asyncpg.Connection, tenant_id: UUID, phones: Sequence[str], ids: Sequence[UUID]
) -> list[Contact]:
    """Add a contact for each number that has none. Returns those that were added."""
    return [Contact(*row) for row in await conn.fetch(ENSURE, tenant_id, list(ids), list(phones))]


async def known_spellings(conn: asyncpg.Connection, tenant_id: UUID, phones: Sequence[str]) -> dict[str, str]:
    """Each number as it is known: in the spelling of its contact or conversation, if there is one."""
    known = {phone: phone for phone in phones}
    ambiguous = [phone for phone in known if len(spellings_of(phone)) > 1]
    if ambiguous:
        known |= {phone: found or phone for phone, found in await conn.fetch(KNOWN, tenant_id, ambiguous)}
    return known


async def known_spelling(conn: asyncpg.Connection, tenant_id: UUID, phone: str) -> str:
    """The number as it is known: in the spelling of its contact or conversation, if there is one."""
    return (await known_spellings(conn, tenant_id, [phone]))[phone]


async def stream_phones(conn: asyncpg.Connection) -> AsyncIterator[asyncpg.Record]:
    """The phones of all tenants' contacts, each with the other contact of the same line, if there is one."""
    async with conn.transaction(readonly=True):
        async for row in conn.cursor(LIST_PHONES, prefetch=1000):
            yield row


def _found(row: asyncpg.Record | None) -> Contact:
    if row is None:
        raise NotFound
    return Contact(*row)
