"""Channels: the accounts at providers that tenants send with."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from conversations.domain.providers import ProviderAccount

COLUMNS = "provider, number, endpoint_key, credentials, tenant_id"
FIND_DEFAULT = f"""
select {COLUMNS}, (select count(*) > 1 from channels where tenant_id = $1) as has_siblings
from channels where tenant_id = $1 order by is_default desc, created_at limit 1
"""
# The contact wrote to this channel last.
FIND_WRITTEN_TO = """
select c.provider, c.number, c.endpoint_key, c.credentials, c.tenant_id, true
from contact_channels w join channels c using (tenant_id, provider, number)
where w.tenant_id = $1 and w.contact_phone = any(spellings_of($2))
order by w.contact_phone = $2 desc limit 1
"""
SAVE_WRITTEN_TO = """
insert into contact_channels as w (tenant_id, contact_phone, provider, number) values ($1, $2, $3, $4)
on conflict (tenant_id, contact_phone) do update set provider = excluded.provider, number = excluded.number
where (w.provider, w.number) <> (excluded.provider, excluded.number)
"""
FIND_BY_KEY = f"select {COLUMNS} from channels where provider = $1 and endpoint_key = $2"
SHOWN = "id, provider, number, endpoint_key, is_default, created_at"
LIST = f"select {SHOWN} from channels where tenant_id = $1 order by created_at, id"
FIND = f"select {SHOWN} from channels where tenant_id = $1 and id = $2"
ADD = f"""
insert into channels (id, tenant_id, provider, number, credentials, endpoint_key, is_default)
values ($1, $2, $3, $4, $5, $6, not exists (select from channels where tenant_id = $2))
on conflict (tenant_id, provider, number) do nothing returning {SHOWN}
"""
MAKE_DEFAULT = f"""
update channels set is_default = (id = $2), updated_at = clock_timestamp() where tenant_id = $1 returning {SHOWN}
"""
SAVE_CREDENTIALS = """
update channels set credentials = $3, updated_at = clock_timestamp() where tenant_id = $1 and id = $2
"""
SAVE_ENDPOINT_KEY = """
update channels set endpoint_key = $3, updated_at = clock_timestamp() where tenant_id = $1 and id = $2
"""
LIST_CREDENTIALS = "select id, credentials from channels order by id"
# A channel that was changed meanwhile has the new form already.
REPLACE_CREDENTIALS = "update channels set credentials = $3 where id = $1 and credentials = $2 returning id"
DROP = "delete from channels where tenant_id = $1 and id = $2 returning id"


@dataclass(frozen=True)
class Channel:
    """A channel without its credentials, which are read only to send and to verify signatures."""

    id: UUID
    provider: str
    number: str
    endpoint_key: str
    is_default: bool
    created_at: datetime


async def find_default_account(conn: asyncpg.Connection, tenant_id: UUID) -> ProviderAccount | None:
    row = await conn.fetchrow(FIND_DEFAULT, tenant_id)
    return None if row is None else ProviderAccount(*row)


async def find_account_written_to(conn: asyncpg.Connection, tenant_id: UUID, phone: str) -> ProviderAccount | None:
    """The account of the channel that a contact wrote to last, as long as it is there."""
    row = await conn.fetchrow(FIND_WRITTEN_TO, tenant_id, phone)
    return None if row is None else ProviderAccount(*row)


async def save_written_to(conn: asyncpg.Connection, tenant_id: UUID, phone: str, account: ProviderAccount) -> None:
    await conn.execute(SAVE_WRITTEN_TO, tenant_id, phone, account.provider, account.number)


async def find_account_by_key(conn: asyncpg.Connection, provider: str, endpoint_key: str) -> ProviderAccount | None:
    """The account with this webhook path."""
    row = await conn.fetchrow(FIND_BY_KEY, provider, endpoint_key)
    return None if row is None else ProviderAccount(*row)


async def list_channels(conn: asyncpg.Connection, tenant_id: UUID) -> list[Channel]:
    """The channels of a tenant, oldest first."""
    return [Channel(*row) for row in await conn.fetch(LIST, tenant_id)]


async def find_channel(conn: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> Channel | None:
    row = await conn.fetchrow(FIND, tenant_id, channel_id)
    return None if row is None else Channel(*row)


async def add_channel(
    conn: asyncpg.Connection,
    channel_id: UUID,
    tenant_id: UUID,
    provider: str,
    number: str,
    credentials: dict[str, str],
    endpoint_key: str,
) -> Channel | None:
    """Add a channel. None: the tenant already has this number."""
    row = await conn.fetchrow(ADD, channel_id, tenant_id, provider, number, credentials, endpoint_key)
    return None if row is None else Channel(*row)


async def make_default(conn: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> Channel:
    """Make a channel the default, instead of the previous one."""
    rows = [Channel(*row) for row in await conn.fetch(MAKE_DEFAULT, tenant_id, channel_id)]
    return next(channel for channel in rows if channel.id == channel_id)


async def save_credentials(
    conn: asyncpg.Connection, tenant_id: UUID, channel_id: UUID, credentials: dict[str, str]
) -> None:
    await conn.execute(SAVE_CREDENTIALS, tenant_id, channel_id, credentials)


async def stream_credentials(conn: asyncpg.Connection) -> AsyncIterator[tuple[UUID, dict[str, str]]]:
    """The credentials of all tenants' channels, in the form in which they are kept."""
    async with conn.transaction(readonly=True):
        async for channel_id, kept in conn.cursor(LIST_CREDENTIALS, prefetch=500):
            yield channel_id, kept


async def replace_credentials(
    conn: asyncpg.Connection, channel_id: UUID, kept: dict[str, str], sealed: dict[str, str]
) -> bool:
    """Replace credentials. False when they were changed meanwhile."""
    return await conn.fetchval(REPLACE_CREDENTIALS, channel_id, kept, sealed) is not None


async def save_endpoint_key(conn: asyncpg.Connection, tenant_id: UUID, channel_id: UUID, key: str) -> None:
    await conn.execute(SAVE_ENDPOINT_KEY, tenant_id, channel_id, key)


async def drop_channel(conn: asyncpg.Connection, tenant_id: UUID, channel_id: UUID) -> bool:
    """Delete a channel. False when it is unknown."""
    return await conn.fetchval(DROP, tenant_id, channel_id) is not None
