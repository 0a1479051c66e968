"""Signing up, in and out, and what gateways and services ask about sessions."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
from aiohttp import web

from auth.actions import sessions as actions
from auth.actions import users
from auth.adapters.sign_in_throttle import TooManyFailures
from auth.api.deps import Parts, origin_of
from auth.api.schemas import (
    AcceptInvite,
    LogIn,
    Me,
    Resolve,
    Resolved,
    SignedInView,
    SignUp,
    TenantState,
    TenantView,
    UserView,
)
from auth.domain.tokens import digest
from auth.domain.users import EmailTaken, InvalidCredentials, InviteInvalid
from auth.store import accounts as store
from switchboard.http import PlainRoute, ReadRoute, Request, Route
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.runtime.refusals import Unauthenticated


class SessionRoutes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[Route]:
        return [
            PlainRoute(
                "POST",
                "/api/v1/auth/signup",
                self.sign_up,
                body=SignUp,
                answer=SignedInView,
                status=201,
                public=True,
                errors=(EmailTaken,),
            ),
            PlainRoute(
                "POST",
                "/api/v1/auth/login",
                self.log_in,
                body=LogIn,
                answer=SignedInView,
                public=True,
                errors=(InvalidCredentials, TooManyFailures),
            ),
            PlainRoute(
                "POST",
                "/api/v1/auth/invites/accept",
                self.accept_invite,
                body=AcceptInvite,
                answer=SignedInView,
                public=True,
                errors=(InviteInvalid,),
            ),
            PlainRoute("POST", "/api/v1/auth/logout", self.log_out, status=204),
            ReadRoute("GET", "/api/v1/auth/me", self.me, answer=Me),
            PlainRoute(
                "POST",
                "/internal/sessions/resolve",
                self.resolve,
                body=Resolve,
                answer=Resolved,
                public=True,
                hidden=True,
            ),
            PlainRoute("GET", "/internal/identity-keys", self.identity_keys, public=True, hidden=True),
        ]

    async def sign_up(self, request: Request) -> web.StreamResponse:
        """Sign up: a tenant on trial, its owner, and a session."""
        parts, asked = self._parts, request.body
        password_hash = await parts.passwords.hash(asked.password)
        now = datetime.now(UTC)
        async with open_work(parts.database, tenant_id=None) as work:
            _, user = await actions.sign_up(
                work,
                tenant_name=asked.tenant_name,
                name=asked.name,
                email=asked.email,
                password_hash=password_hash,
                trial=parts.trial_duration,
                now=now,
            )
            signed_in = await actions.begin_session(work, user, parts.session_duration, origin_of(request), now)
        return parts.welcome(signed_in, now, status=201)

    async def log_in(self, request: Request) -> web.StreamResponse:
        """Log in."""
        parts, asked, origin = self._parts, request.body, origin_of(request)
        async with parts.throttle.attempt(origin.address, asked.email.strip().lower()):
            proven = await actions.prove_password(parts.database, parts.passwords, asked.email, asked.password)
        now = datetime.now(UTC)
        async with open_work(parts.database, tenant_id=proven.user.tenant_id) as work:
            signed_in = await actions.log_in(work, proven, parts.session_duration, origin, now)
        return parts.welcome(signed_in, now)

    async def accept_invite(self, request: Request) -> web.StreamResponse:
        """Accept an invitation: the password is set, and a session begins."""
        parts, asked = self._parts, request.body
        password_hash = await parts.passwords.hash(asked.password)
        now = datetime.now(UTC)
        async with open_work(parts.database, tenant_id=None) as work:
            user = await users.accept_invite(work, asked.token, password_hash, now)
            signed_in = await actions.begin_session(work, user, parts.session_duration, origin_of(request), now)
        return parts.welcome(signed_in, now)

    async def log_out(self, request: Request) -> web.StreamResponse:
        """Log out: the session is over on every gateway when the answer arrives."""
        parts, who = self._parts, request.identity
        async with open_work(parts.database, tenant_id=who.tenant_id) as work:
            marks = await actions.end_session(work, who.user_id, who.session_id, "logout", datetime.now(UTC))
        await parts.cache.show(marks or [])
        answer = web.Response(status=204)
        parts.cookie.take_back(answer)
        return answer

    async def me(self, request: Request, conn: asyncpg.Connection) -> Me:
        """Who I am."""
        who = request.identity
        user = await store.get_user(conn, who.tenant_id, who.user_id)
        tenant = await store.get_tenant(conn, who.tenant_id)
        return Me(user=UserView.of(user), tenant=TenantView.of(tenant, datetime.now(UTC)))

    async def resolve(self, request: Request) -> Resolved:
        """Whose session a token is."""
        async with self._parts.database.connection() as conn:
            found = await store.find_live_session(conn, digest(request.body.token), datetime.now(UTC))
        if found is None:
            raise Unauthenticated("There is no such session.")
        return Resolved(
            session_id=found["id"],
            user_id=found["user_id"],
            tenant_id=found["tenant_id"],
            role=found["role"],
            version=found["version"],
            expires_at=found["expires_at"],
            tenant=TenantState(status=found["status"], trial_ends_at=found["trial_ends_at"]),
        )

    async def identity_keys(self, request: Request) -> web.StreamResponse:
        """The public keys that identities are verified by."""
        return web.Response(body=self._parts.keys.published(), content_type="application/jwk-set+json")
