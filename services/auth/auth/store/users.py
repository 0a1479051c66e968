"""SQL of users."""

from dataclasses import astuple
from uuid import UUID

import asyncpg

from auth.domain.users import EmailTaken, User
from switchboard.runtime.refusals import NotFound

# In the order of the fields of `User`.
COLUMNS = "id, tenant_id, email, name, role, password_hash, disabled, notify_phone, time_zone, version"


async def add(conn: asyncpg.Connection, user: User, *, invited: bool = False) -> None:
    """Add a user. `invited`: until they accept, their address is free for others. Raises `EmailTaken`."""
    try:
        await conn.execute(
            f"insert into users ({COLUMNS}, invited) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            *astuple(user),
            invited,
        )
    except asyncpg.UniqueViolationError as taken:
        raise EmailTaken() from taken


async def save(conn: asyncpg.Connection, user: User) -> None:
    """Raises `EmailTaken` if an invited user gets a password whose address has become another user's."""
    try:
        await _save(conn, user)
    except asyncpg.UniqueViolationError as taken:
        raise EmailTaken() from taken


async def _save(conn: asyncpg.Connection, user: User) -> None:
    await conn.execute(
        """update users set name = $2, role = $3, password_hash = $4, disabled = $5, notify_phone = $6,
           time_zone = $7, version = $8 where id = $1""",
        user.id,
        user.name,
        user.role,
        user.password_hash,
        user.disabled,
        user.notify_phone,
        user.time_zone,
        user.version,
    )


async def find_by_email(conn: asyncpg.Connection, email: str) -> User | None:
    """The user who has this address for their own. Those who are merely invited don't."""
    row = await conn.fetchrow(
        f"select {COLUMNS} from users where lower(email) = lower($1) and not (invited and password_hash is null)", email
    )
    return User(**row) if row else None


async def find_in_tenant(conn: asyncpg.Connection, tenant_id: UUID, email: str) -> User | None:
    """The tenant's user with this address, also one who is merely invited."""
    row = await conn.fetchrow(
        f"select {COLUMNS} from users where tenant_id = $1 and lower(email) = lower($2)", tenant_id, email
    )
    return User(**row) if row else None


async def get(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> User:
    row = await conn.fetchrow(f"select {COLUMNS} from users where tenant_id = $1 and id = $2", tenant_id, user_id)
    return _found(row)


async def lock(conn: asyncpg.Connection, tenant_id: UUID, user_id: UUID) -> User:
    row = await conn.fetchrow(
        f"select {COLUMNS} from users where tenant_id = $1 and id = $2 for update", tenant_id, user_id
    )
    return _found(row)


async def id_exists(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Whether a user of any tenant has this id."""
    taken: bool = await conn.fetchval("select exists (select from users where id = $1)", user_id)
    return taken


async def list_of_tenant(conn: asyncpg.Connection, tenant_id: UUID, after: UUID | None, limit: int) -> list[User]:
    rows = await conn.fetch(
        f"""select {COLUMNS} from users where tenant_id = $1 and ($2::uuid is null or id > $2)
            order by id limit $3""",
        tenant_id,
        after,
        limit,
    )
    return [User(**row) for row in rows]


async def can_sign_in(conn: asyncpg.Connection, user_id: UUID) -> bool:
    """Whether the user has a password or an OAuth account: signed up, or accepted an invitation."""
    joined: bool = await conn.fetchval(
        """select password_hash is not null or exists (select from oauth_accounts where user_id = users.id)
           from users where id = $1""",
        user_id,
    )
    return joined


def _found(row: asyncpg.Record | None) -> User:
    if row is None:
        raise NotFound()
    return User(**row)
