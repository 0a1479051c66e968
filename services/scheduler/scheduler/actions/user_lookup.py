"""The users that something may be planned for: by our copy of auth's events, else by auth's own word.

Nobody is refused for what the copy lacks: the event that tells of it may still be on its way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from scheduler.store import users as people
from switchboard.contracts.auth import USER_PATH, UserUpdated
from switchboard.http.client import ServiceClient
from switchboard.http.routing import Request
from switchboard.messaging.outbox.unit_of_work import Work


@dataclass(frozen=True)
class Inquiry:
    """How auth is asked in one caller's name."""

    auth: ServiceClient
    identity_header: Mapping[str, str]


@dataclass(frozen=True)
class Colleagues:
    """The users of one tenant. Without an `inquiry` only those that are known here."""

    conn: asyncpg.Connection
    tenant_id: UUID
    inquiry: Inquiry | None = None

    @classmethod
    def of_caller(cls, request: Request, work: Work, auth: ServiceClient) -> Colleagues:
        return cls(work.conn, request.identity.tenant_id, Inquiry(auth, request.identity_header))

    async def find(self, user_id: UUID, *, with_phone: bool = False) -> people.User | None:
        """One of them; `with_phone`: who can be rung. Raises `Unanswered` when auth would have to say and doesn't."""
        user = await people.find_user(self.conn, user_id)
        if not self._will_do(user, with_phone) or (user is not None and user.disabled):
            user = await self.find_now(user_id)
        return user if self._will_do(user, with_phone) else None

    async def find_now(self, user_id: UUID) -> people.User | None:
        """One of them as auth knows them at this moment. Raises `Unanswered` when auth doesn't say."""
        if self.inquiry is None:
            return await people.find_user(self.conn, user_id)
        told = await self.inquiry.auth.find(USER_PATH.format(id=user_id), self.inquiry.identity_header)
        return None if told is None else people.user_of(UserUpdated.model_validate_json(told), self.tenant_id)

    def _will_do(self, user: people.User | None, with_phone: bool) -> bool:
        return (
            user is not None and user.tenant_id == self.tenant_id and (user.notify_phone is not None or not with_phone)
        )
