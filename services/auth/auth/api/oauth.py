"""Signing in by a provider, and linking a provider's account to one's own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field

from auth.actions import oauth
from auth.actions import sessions as actions
from auth.adapters.oauth_states import Begun, OAuthStates
from auth.adapters.oidc_providers import Provider
from auth.api.deps import Parts, origin_of
from auth.domain.users import EmailUnverified, LinkRequired, OAuthAccountTaken, OAuthStateInvalid, ProviderRefused
from switchboard.http import Body, PlainRoute, Request, Route
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.runtime.refusals import NotFound

LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # no scheme, no host, no backslash, no control character


def _local(path: str) -> str:
    if not LOCAL_PATH.fullmatch(path):
        raise ValueError("must be a path of this site, beginning with a single /")
    return path


class BeginQuery(Body):
    redirect_to: Annotated[str, Field(max_length=2000), AfterValidator(_local)] = "/"


class OAuthRoutes:
    def __init__(self, parts: Parts, providers: Mapping[str, Provider], states: OAuthStates, public_url: str) -> None:
        self._parts = parts
        self._providers = providers
        self._states = states
        self._public_url = public_url

    def table(self) -> list[Route]:
        base = "/api/v1/auth/oauth/{provider}"
        return [
            PlainRoute("GET", f"{base}/login", self.begin_login, query=BeginQuery, status=302, public=True),
            PlainRoute("GET", f"{base}/link", self.begin_link, query=BeginQuery, status=302),
            PlainRoute(
                "GET",
                f"{base}/callback",
                self.finish,
                status=302,
                public=True,
                errors=(OAuthStateInvalid, ProviderRefused, EmailUnverified, LinkRequired, OAuthAccountTaken),
            ),
        ]

    async def begin_login(self, request: Request) -> web.StreamResponse:
        """To the provider, to sign in or up."""
        return await self._begin(request, Begun(request.path["provider"], _word(), _word(), request.query.redirect_to))

    async def begin_link(self, request: Request) -> web.StreamResponse:
        """To the provider, to link its account to mine."""
        who = request.identity
        begun = Begun(
            request.path["provider"],
            _word(),
            _word(),
            request.query.redirect_to,
            user_id=who.user_id,
            tenant_id=who.tenant_id,
            session_id=who.session_id,
        )
        return await self._begin(request, begun)

    async def finish(self, request: Request) -> web.StreamResponse:
        """Back from the provider: on to where the log-in began, with a session."""
        provider = self._provider(request)
        given = request.http.query
        begun = await self._states.take(request.http, given.get("state", ""), provider.name)
        if "code" not in given:
            raise ProviderRefused("The provider did not let you in.")
        person = await provider.person(given["code"], self._callback(provider.name), begun.nonce, begun.verifier)
        now, answer = datetime.now(UTC), _to(begun.redirect_to)
        async with open_work(self._parts.database, tenant_id=begun.tenant_id) as work:
            if begun.user_id is not None:
                await oauth.link(work, begun, person, now)
            else:
                user = await oauth.sign_in(work, provider.name, person, self._parts.trial_duration, now)
                lasts = self._parts.session_duration
                signed_in = await actions.begin_session(work, user, lasts, origin_of(request), now)
                self._parts.cookie.give(answer, signed_in.token, lasts)
        self._states.unbind(answer, given["state"])
        return answer

    async def _begin(self, request: Request, begun: Begun) -> web.StreamResponse:
        provider = self._provider(request)
        state = await self._states.keep(begun)
        url = await provider.authorization_url(self._callback(provider.name), state, begun.nonce, begun.verifier)
        answer = _to(url)
        self._states.bind(answer, state)
        return answer

    def _provider(self, request: Request) -> Provider:
        provider = self._providers.get(request.path["provider"])
        if provider is None:
            raise NotFound("There is no such provider.")
        return provider

    def _callback(self, provider: str) -> str:
        return f"{self._public_url}/api/v1/auth/oauth/{provider}/callback"


def _word() -> str:
    """Unguessable; of a length that PKCE takes for a verifier."""
    return secrets.token_urlsafe(48)


def _to(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
