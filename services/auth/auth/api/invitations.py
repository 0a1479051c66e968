"""Invitations of users into a tenant."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from auth.actions.invitations import accept_invitation, check_invitation, invite
from auth.actions.sign_in import start_session
from auth.adapters.password_hashing import PasswordHasher
from auth.api.cookies import SessionCookie
from auth.api.schemas import InvitationAcceptance, InvitationAnswer, NewInvitation, SignedInAnswer, UserAnswer
from auth.api.sign_in import origin_of
from auth.domain.users import EmailTaken, InviteInvalid, RankTooLow
from switchboard.http import PlainRoute, Request, Route, WriteRoute
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database


@dataclass(frozen=True)
class Invitations:
    """Invitations into the tenant of the caller, and their acceptance."""

    database: Database
    passwords: PasswordHasher
    cookie: SessionCookie

    def routes(self) -> list[Route]:
        return [
            WriteRoute(
                "POST",
                "/api/v1/users",
                self.create,
                body=NewInvitation,
                answer=InvitationAnswer,
                status=201,
                role=Role.ADMIN,
                errors=(EmailTaken, RankTooLow),
            ),
            PlainRoute(
                "POST",
                "/api/v1/auth/invites/accept",
                self.accept,
                body=InvitationAcceptance,
                answer=SignedInAnswer,
                public=True,
                errors=(InviteInvalid,),
            ),
        ]

    async def create(self, request: Request, work: Work) -> InvitationAnswer:
        """Invite a user. The token in the answer is for that person only and is not shown again."""
        body: NewInvitation = request.body
        invitation = await invite(
            work, body.email, body.name, body.role, by=request.identity.role.value, now=datetime.now(UTC)
        )
        return InvitationAnswer(user=UserAnswer.of(invitation.user), invite_token=invitation.token)

    async def accept(self, request: Request) -> web.StreamResponse:
        """Accept an invitation: set the password and start a session."""
        body: InvitationAcceptance = request.body
        now = datetime.now(UTC)
        await check_invitation(self.database, body.token, now)
        password_hash = await self.passwords.hash(body.password)
        async with open_work(self.database, tenant_id=None) as work:
            user = await accept_invitation(work, body.token, password_hash, now)
            signed_in = await start_session(work, user, self.cookie.lifetime, origin_of(request), now)
        return self.cookie.reply(signed_in, now)
