"""The session's cookie, as browsers get it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web


@dataclass(frozen=True)
class SessionCookie:
    """HttpOnly and Lax; on https also Secure and bound to the very host by its `__Host-` name."""

    secure: bool

    @classmethod
    def for_url(cls, public_url: str) -> SessionCookie:
        return cls(secure=public_url.startswith("https:"))

    @property
    def name(self) -> str:
        return "__Host-session" if self.secure else "session"

    def give(self, answer: web.StreamResponse, token: str, lasts: timedelta) -> None:
        answer.set_cookie(
            self.name,
            token,
            max_age=int(lasts.total_seconds()),
            path="/",
            httponly=True,
            samesite="Lax",
            secure=self.secure,
        )
        answer.headers["Cache-Control"] = "no-store"

    def take_back(self, answer: web.StreamResponse) -> None:
        answer.del_cookie(self.name, path="/", httponly=True, samesite="Lax", secure=self.secure)
