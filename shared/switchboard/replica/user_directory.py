"""User directory: finds users in the replica and, before a request is refused for what the replica lacks, at auth.

The event that would complete the replica may still be on its way. auth is asked in the caller's name.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import asyncpg

from switchboard.contracts.auth import USER_PATH, UserUpdated
from switchboard.http.client import ServiceClient
from switchboard.http.routing import Request
from switchboard.replica.user_replica import ReplicatedUser, find_user


@dataclass(frozen=True)
class UserDirectory:
    """The users that a caller may name."""

    auth: ServiceClient

    def of_caller(self, request: Request, conn: asyncpg.Connection) -> "TenantUsers":
        """The users of the caller's tenant. `conn`: to the database that holds the replica."""
        return TenantUsers(conn, request.identity.tenant_id, partial(self.ask_auth, request))

    async def ask_auth(self, request: Request, user_id: UUID) -> ReplicatedUser | None:
        """A user of the caller's tenant as auth knows it now. Raises `ServiceUnreachable` if auth does not answer."""
        answer = await self.auth.find(USER_PATH.format(id=user_id), request.identity_header)
        if answer is None:
            return None
        return ReplicatedUser.of(UserUpdated.model_validate_json(answer), request.identity.tenant_id)


@dataclass(frozen=True)
class TenantUsers:
    """The users of one tenant. Without `ask_auth` only those in the replica."""

    conn: asyncpg.Connection
    tenant_id: UUID
    ask_auth: Callable[[UUID], Awaitable[ReplicatedUser | None]] | None = None

    async def exists(self, user_id: UUID) -> bool:
        """Whether there is such a user. Raises `ServiceUnreachable` if only auth could know and does not answer."""
        user = await find_user(self.conn, self.tenant_id, user_id)
        return (user or await self.find_current(user_id)) is not None

    async def find(self, user_id: UUID, *, with_phone: bool = False) -> ReplicatedUser | None:
        """A user, from auth if the replica's is missing or disabled. `with_phone`: only one with a `notify_phone`.

        Raises `ServiceUnreachable` if only auth could know and does not answer.
        """
        user = await find_user(self.conn, self.tenant_id, user_id)
        if user is None or user.disabled or (with_phone and user.notify_phone is None):
            user = await self.find_current(user_id)
        return None if user is None or (with_phone and user.notify_phone is None) else user

    async def find_current(self, user_id: UUID) -> ReplicatedUser | None:
        """A user as auth knows it now. Raises `ServiceUnreachable` if auth does not answer."""
        if self.ask_auth is None:
            return await find_user(self.conn, self.tenant_id, user_id)
        return await self.ask_auth(user_id)
