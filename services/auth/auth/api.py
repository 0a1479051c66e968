"""Routes of sign-up, log-in and the session itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
from aiohttp import web

from auth import actions, store
from auth.cookies import SessionCookie
from auth.domain import EmailTaken, InvalidCredentials
from auth.keys import KeyFile
from auth.passwords import Passwords
from auth.session_cache import SessionCache
from auth.tokens import digest
from auth.views import LogIn, Me, Resolve, Resolved, SignedInView, SignUp, TenantState, TenantView, UserView
from switchboard.messaging.work import open_work
from switchboard.runtime.database import Database
from switchboard.runtime.http import Call, Route, plain, reads, reply
from switchboard.runtime.refusals import Unauthenticated


@dataclass(frozen=True)
class SessionRoutes:
    """What these routes stand on; each method is one of them."""

    database: Database
    cache: SessionCache
    passwords: Passwords
    keys: KeyFile
    cookie: SessionCookie
    trial_duration: timedelta
    session_duration: timedelta

    def table(self) -> Sequence[Route]:
        return [
            plain(
                "POST",
                "/api/v1/auth/signup",
                self.sign_up,
                body=SignUp,
                answer=SignedInView,
                status=201,
                public=True,
                errors=(EmailTaken,),
                summary="Sign up: a tenant on trial, its owner, and a session",
            ),
            plain(
                "POST",
                "/api/v1/auth/login",
                self.log_in,
                body=LogIn,
                answer=SignedInView,
                public=True,
                errors=(InvalidCredentials,),
                summary="Log in",
            ),
            plain("POST", "/api/v1/auth/logout", self.log_out, status=204, summary="Log out, on every gateway"),
            reads("/api/v1/auth/me", self.me, answer=Me, summary="Who I am"),
            plain(
                "POST",
                "/internal/sessions/resolve",
                self.resolve,
                body=Resolve,
                answer=Resolved,
                public=True,
                hidden=True,
            ),
            plain("GET", "/internal/identity-keys", self.identity_keys, public=True, hidden=True),
        ]

    async def sign_up(self, call: Call) -> web.StreamResponse:
        asked: SignUp = call.body
        password_hash = await self.passwords.hash(asked.password)
        now = datetime.now(UTC)
        async with open_work(self.database, tenant_id=None) as work:
            _, user = await actions.sign_up(
                work,
                tenant_name=asked.tenant_name,
                name=asked.name,
                email=asked.email,
                password_hash=password_hash,
                trial=self.trial_duration,
                now=now,
            )
            signed_in = await actions.begin_session(work, user, self.session_duration, origin_of(call), now)
        return self._signed_in(signed_in, now, status=201)

    async def log_in(self, call: Call) -> web.StreamResponse:
        asked: LogIn = call.body
        proven = await actions.prove_password(self.database, self.passwords, asked.email, asked.password)
        now = datetime.now(UTC)
        async with open_work(self.database, tenant_id=proven.user.tenant_id) as work:
            signed_in = await actions.log_in(work, proven, self.session_duration, origin_of(call), now)
        return self._signed_in(signed_in, now, status=200)

    async def log_out(self, call: Call) -> web.StreamResponse:
        who = call.identity
        async with open_work(self.database, tenant_id=who.tenant_id) as work:
            marks = await actions.end_session(work, who.user_id, who.session_id, "logout", datetime.now(UTC))
        await self.cache.show(marks)
        answer = web.Response(status=204)
        self.cookie.take_back(answer)
        return answer

    async def me(self, call: Call, conn: asyncpg.Connection) -> Me:
        who = call.identity
        user = await store.get_user(conn, who.tenant_id, who.user_id)
        tenant = await store.get_tenant(conn, who.tenant_id)
        return Me(user=UserView.of(user), tenant=TenantView.of(tenant, datetime.now(UTC)))

    async def resolve(self, call: Call) -> Resolved:
        asked: Resolve = call.body
        async with self.database.connection() as conn:
            found = await store.find_live_session(conn, digest(asked.token), datetime.now(UTC))
        if found is None:
            raise Unauthenticated(detail="no such session")
        return Resolved(
            session_id=found["id"],
            user_id=found["user_id"],
            tenant_id=found["tenant_id"],
            role=found["role"],
            version=found["version"],
            expires_at=found["expires_at"],
            tenant=TenantState(status=found["status"], trial_ends_at=found["trial_ends_at"]),
        )

    async def identity_keys(self, call: Call) -> web.StreamResponse:
        return web.Response(body=self.keys.published(), content_type="application/jwk-set+json")

    def _signed_in(self, signed_in: actions.SignedIn, now: datetime, *, status: int) -> web.StreamResponse:
        view = SignedInView.of(signed_in, now)
        answer = reply(view, status)
        self.cookie.give(answer, signed_in.token, signed_in.session.expires_at - now)
        return answer


def origin_of(call: Call) -> actions.Origin:
    """Where the request came from, as the gateway saw it."""
    forwarded = call.request.headers.get("X-Forwarded-For", "")
    return actions.Origin(
        address=forwarded.rpartition(",")[2].strip() or call.request.remote,
        agent=call.request.headers.get("User-Agent"),
    )
