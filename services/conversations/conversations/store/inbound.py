"""Inbound messages: deduplication, and which tenant and user receive them."""

from uuid import UUID

import asyncpg

from conversations.domain.providers import InboundMessage

ADD = """
insert into inbound_messages (provider, provider_ref, tenant_id) values ($1, $2, $3) on conflict do nothing returning 1
"""
# For the installation's own number, which tenants share: the tenant that wrote to this phone last.
FIND_TENANT = """
select tenant_id from conversations where contact_phone = any(spellings_of($1))
order by wrote_at desc nulls last, updated_at desc limit 1
"""
# The contact's owner, else the user who wrote last, else the tenant's owner.
FIND_RECEIVER = """
select coalesce(
    (select k.owner_id from contacts k join users u on u.id = k.owner_id and u.tenant_id = $1 and not u.disabled
     where k.tenant_id = $1 and k.phone = $2),
    (select c.user_id from conversations c left join users u on u.id = c.user_id
     where c.tenant_id = $1 and c.contact_phone = $2 and u.disabled is not true
     order by c.wrote_at desc nulls last, c.updated_at desc limit 1),
    (select id from users where tenant_id = $1 and role = 'owner' order by disabled, id limit 1))
"""
KEEP_UNASSIGNED = """
with old as (delete from unassigned_inbound where at < clock_timestamp() - interval '30 days')
insert into unassigned_inbound (provider, provider_ref, sender, recipient, body) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""
LIST_UNASSIGNED = "select * from unassigned_inbound order by at desc limit 1000"


async def keep_unassigned(conn: asyncpg.Connection, provider: str, inbound: InboundMessage, sender: str) -> None:
    """Keep a message that belongs to no tenant, for the operator, for 30 days."""
    texts = (inbound.recipient.replace("\0", ""), inbound.text.replace("\0", ""))
    await conn.execute(KEEP_UNASSIGNED, provider, inbound.ref, sender, *texts)


async def list_unassigned(conn: asyncpg.Connection) -> list[asyncpg.Record]:
    """The newest messages that belong to no tenant."""
    return list(await conn.fetch(LIST_UNASSIGNED))


async def add_inbound(conn: asyncpg.Connection, provider: str, ref: str, tenant_id: UUID) -> bool:
    """Record an inbound message. False when it was received before."""
    return await conn.fetchval(ADD, provider, ref, tenant_id) is not None


async def find_tenant_of(conn: asyncpg.Connection, phone: str) -> UUID | None:
    tenant_id: UUID | None = await conn.fetchval(FIND_TENANT, phone)
    return tenant_id


async def find_receiver(conn: asyncpg.Connection, tenant_id: UUID, phone: str) -> UUID | None:
    user_id: UUID | None = await conn.fetchval(FIND_RECEIVER, tenant_id, phone)
    return user_id
