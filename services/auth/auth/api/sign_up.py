"""Sign-up of new tenants."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web

from auth.actions.sign_in import start_session
from auth.actions.sign_up import sign_up
from auth.adapters.password_hashing import PasswordHasher
from auth.adapters.sign_in_rate_limit import SignInRateLimit
from auth.api.cookies import SessionCookie
from auth.api.schemas import NewAccount, SignedInAnswer
from auth.api.sign_in import origin_of
from auth.domain.users import EmailTaken
from switchboard.http import PlainRoute, Request, Route
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class SignUp:
    """Sign-up. `trial`: how long the trial of a new tenant lasts."""

    database: Database
    passwords: PasswordHasher
    cookie: SessionCookie
    rate_limit: SignInRateLimit
    trial: timedelta

    def routes(self) -> list[Route]:
        return [
            PlainRoute(
                "POST",
                "/api/v1/auth/signup",
                self.create,
                body=NewAccount,
                answer=SignedInAnswer,
                status=201,
                public=True,
                errors=(EmailTaken,),
            )
        ]

    async def create(self, request: Request) -> web.StreamResponse:
        """Sign up: create a tenant on trial, its owner and a session."""
        body: NewAccount = request.body
        origin = origin_of(request)
        await self.rate_limit.count_sign_up(origin.address)
        password_hash = await self.passwords.hash(body.password)
        now = datetime.now(UTC)
        async with open_work(self.database, tenant_id=None) as work:
            _, owner = await sign_up(
                work,
                tenant_name=body.tenant_name,
                name=body.name,
                email=body.email,
                password_hash=password_hash,
                trial=self.trial,
                now=now,
            )
            signed_in = await start_session(work, owner, self.cookie.lifetime, origin, now)
        return self.cookie.reply(signed_in, now, status=201)
