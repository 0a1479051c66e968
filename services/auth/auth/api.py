"""The table of auth's routes."""

from __future__ import annotations

from auth.account_routes import AccountRoutes
from auth.oauth_routes import OAuthRoutes
from auth.parts import Parts
from auth.session_routes import SessionRoutes
from auth.user_routes import UserRoutes
from switchboard.runtime.http import Route


def routes(parts: Parts, oauth: OAuthRoutes) -> list[Route]:
    return [*SessionRoutes(parts).table(), *AccountRoutes(parts).table(), *UserRoutes(parts).table(), *oauth.table()]
