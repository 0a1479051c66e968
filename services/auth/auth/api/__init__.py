"""The table of auth's routes."""

from __future__ import annotations

from auth.api.accounts import AccountRoutes
from auth.api.deps import Parts
from auth.api.oauth import OAuthRoutes
from auth.api.sessions import SessionRoutes
from auth.api.users import UserRoutes
from switchboard.http import Route


def routes(parts: Parts, oauth: OAuthRoutes) -> list[Route]:
    return [*SessionRoutes(parts).table(), *AccountRoutes(parts).table(), *UserRoutes(parts).table(), *oauth.table()]
