"""What auth's routes stand on, and what several of them do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from auth.actions import Origin, SignedIn
from auth.cookies import SessionCookie
from auth.keys import KeyFile
from auth.passwords import Passwords
from auth.session_cache import SessionCache
from auth.throttle import Throttle
from auth.views import SignedInView
from switchboard.runtime.database import Database
from switchboard.runtime.http import Call, reply


@dataclass(frozen=True)
class Parts:
    database: Database
    cache: SessionCache
    passwords: Passwords
    throttle: Throttle
    keys: KeyFile
    cookie: SessionCookie
    trial_duration: timedelta
    session_duration: timedelta

    def welcome(self, signed_in: SignedIn, now: datetime, *, status: int = 200) -> web.StreamResponse:
        """The answer to who just signed in: the session in the body, and as a cookie."""
        answer = reply(SignedInView.of(signed_in, now), status)
        self.cookie.give(answer, signed_in.token, signed_in.session.expires_at - now)
        return answer


def origin_of(call: Call) -> Origin:
    """Where the request came from, as the gateway saw it."""
    forwarded = call.request.headers.get("X-Forwarded-For", "")
    return Origin(
        address=forwarded.rpartition(",")[2].strip() or call.request.remote,
        agent=call.request.headers.get("User-Agent"),
    )
