"""The caller's own account: preferences and password."""

from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg

from auth.actions.sessions import change_password
from auth.actions.users import change_preferences
from auth.adapters.password_hashing import PasswordHasher
from auth.adapters.session_cache import SessionCache
from auth.adapters.sign_in_rate_limit import SignInRateLimit, TooManyFailures
from auth.api.schemas import AccountAnswer, PasswordChange, PreferencesChange, TenantAnswer, UserAnswer
from auth.domain.sessions import InvalidCredentials
from auth.domain.users import User
from auth.store import tenants, users
from switchboard.http import PlainRoute, ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class OwnAccount:
    """The user of the caller, and the password."""

    database: Database
    cache: SessionCache
    passwords: PasswordHasher
    rate_limit: SignInRateLimit

    def routes(self) -> list[Route]:
        return [
            ReadRoute("GET", "/api/v1/auth/me", self.get, answer=AccountAnswer),
            WriteRoute("PATCH", "/api/v1/auth/me", self.update, body=PreferencesChange, answer=AccountAnswer),
            PlainRoute(
                "POST",
                "/api/v1/auth/password",
                self.change_password,
                body=PasswordChange,
                errors=(InvalidCredentials, TooManyFailures),
            ),
        ]

    async def get(self, request: Request, conn: asyncpg.Connection) -> AccountAnswer:
        """Get my user and my tenant."""
        user = await users.get(conn, request.identity.tenant_id, request.identity.user_id)
        return await _answer(conn, user)

    async def update(self, request: Request, work: Work) -> AccountAnswer:
        """Change my name, my phone for notifications or my time zone."""
        body: PreferencesChange = request.body
        user = await change_preferences(work, request.identity.user_id, body.model_dump(exclude_unset=True))
        return await _answer(work.conn, user)

    async def change_password(self, request: Request) -> None:
        """Change my password and end all my other sessions."""
        body: PasswordChange = request.body
        caller = request.identity
        async with self.rate_limit.attempt(None, str(caller.user_id)):
            async with self.database.connection() as conn:
                user = await users.get(conn, caller.tenant_id, caller.user_id)
            if not await self.passwords.matches(user.password_hash, body.current):
                raise InvalidCredentials("The current password is wrong.")
        new_hash = await self.passwords.hash(body.new)
        async with open_work(self.database, tenant_id=caller.tenant_id) as work:
            invalidations = await change_password(work, user, new_hash, caller.session_id, datetime.now(UTC))
        await self.cache.invalidate(invalidations)


async def _answer(conn: asyncpg.Connection, user: User) -> AccountAnswer:
    tenant = await tenants.get(conn, user.tenant_id)
    return AccountAnswer(user=UserAnswer.of(user), tenant=TenantAnswer.of(tenant, datetime.now(UTC)))
