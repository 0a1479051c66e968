"""The session cookie of browsers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from auth.actions.sign_in import SignedIn
from auth.api.schemas import SignedInAnswer
from switchboard.http import reply


@dataclass(frozen=True)
class SessionCookie:
    """HttpOnly and SameSite=Lax; on https also Secure, and bound to the host by its `__Host-` name.

    `lifetime`: of the cookie and of the session.
    """

    secure: bool
    lifetime: timedelta

    @classmethod
    def for_url(cls, public_url: str, lifetime: timedelta) -> "SessionCookie":
        return cls(secure=public_url.startswith("https:"), lifetime=lifetime)

    @property
    def name(self) -> str:
        return "__Host-session" if self.secure else "session"

    def reply(self, signed_in: SignedIn, now: datetime, *, status: int = 200) -> web.StreamResponse:
        """The answer to a sign-in: the session in the body, and as a cookie."""
        answer = reply(SignedInAnswer.of(signed_in, now), status)
        self.set(answer, signed_in.token)
        return answer

    def set(self, answer: web.StreamResponse, token: str) -> None:
        answer.set_cookie(
            self.name,
            token,
            max_age=int(self.lifetime.total_seconds()),
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self.secure,
        )
        answer.headers["Cache-Control"] = "no-store"

    def delete(self, answer: web.StreamResponse) -> None:
        answer.del_cookie(self.name, path="/", httponly=True, samesite="Lax", secure=self.secure)
