"""SQL of OAuth accounts: which user signs in with which account of a provider."""

import asyncpg

from auth.domain.oauth import OAuthAccountTaken
from auth.domain.users import User
from auth.store.users import COLUMNS


async def find_user_for_update(conn: asyncpg.Connection, provider: str, subject: str) -> User | None:
    row = await conn.fetchrow(
        f"""select {COLUMNS} from users where id =
            (select user_id from oauth_accounts where provider = $1 and subject = $2) for update""",
        provider,
        subject,
    )
    return User(**row) if row else None


async def add(conn: asyncpg.Connection, provider: str, subject: str, user: User, email: str | None) -> None:
    """Raises `OAuthAccountTaken`."""
    try:
        await conn.execute(
            "insert into oauth_accounts (provider, subject, tenant_id, user_id, email) values ($1, $2, $3, $4, $5)",
            provider,
            subject,
            user.tenant_id,
            user.id,
            email,
        )
    except asyncpg.UniqueViolationError as taken:
        raise OAuthAccountTaken() from taken
