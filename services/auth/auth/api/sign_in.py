"""Sign-in by password."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from auth.actions.sign_in import log_in, verify_password
from auth.adapters.password_hashing import PasswordHasher
from auth.adapters.sign_in_metrics import PASSWORD, SignInMetrics
from auth.adapters.sign_in_rate_limit import SignInRateLimit, TooManyFailures
from auth.api.cookies import SessionCookie
from auth.api.schemas import LoginCredentials, SignedInAnswer
from auth.domain.sessions import InvalidCredentials, Origin
from auth.domain.users import normalise_email
from switchboard.http import PlainRoute, Request, Route
from switchboard.http.parsing import header_text
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.addresses import read_address


@dataclass(frozen=True)
class PasswordSignIn:
    """Sign-in by email address and password."""

    database: Database
    passwords: PasswordHasher
    rate_limit: SignInRateLimit
    cookie: SessionCookie
    metrics: SignInMetrics

    def routes(self) -> list[Route]:
        return [
            PlainRoute(
                "POST",
                "/api/v1/auth/login",
                self.create,
                body=LoginCredentials,
                answer=SignedInAnswer,
                public=True,
                errors=(InvalidCredentials, TooManyFailures),
            )
        ]

    async def create(self, request: Request) -> web.StreamResponse:
        """Log in."""
        with self.metrics.attempt(PASSWORD):
            return await self._create(request)

    async def _create(self, request: Request) -> web.StreamResponse:
        body: LoginCredentials = request.body
        origin = origin_of(request)
        async with self.rate_limit.attempt(origin.address, normalise_email(body.email)):
            verified = await verify_password(self.database, self.passwords, body.email, body.password)
        now = datetime.now(UTC)
        async with open_work(self.database, tenant_id=verified.user.tenant_id) as work:
            signed_in = await log_in(work, verified, self.cookie.lifetime, origin, now)
        return self.cookie.reply(signed_in, now)


def origin_of(request: Request) -> Origin:
    """The address and the agent of the client that sent a request to the gateway."""
    forwarded = request.http.headers.get("X-Forwarded-For", "")
    return Origin(
        address=read_address(forwarded.rpartition(",")[2]) or read_address(request.http.remote or ""),
        agent=header_text(request.http, "User-Agent"),
    )
