"""OAuth sign-in, and linking a provider's account to the caller."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field

from auth.actions.oauth import find_or_sign_up, link_account
from auth.actions.sign_in import start_session
from auth.adapters.oauth_states import OAuthState, OAuthStates
from auth.adapters.oidc_providers import OidcProvider
from auth.adapters.sign_in_metrics import SignInMetrics
from auth.api.cookies import SessionCookie
from auth.api.sign_in import origin_of
from auth.domain.oauth import EmailUnverified, LinkRequired, OAuthAccountTaken, OAuthStateInvalid, ProviderRefused
from switchboard.http import Body, PlainRoute, Request, Route, reply
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import NotFound

LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")  # no scheme, no host, no backslash, no control character


CONFIRMATION = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Link an account</title>
<h1>Link your {provider} account?</h1>
<p>From then on you can sign in with it.</p>
<form method="post"><button>Link it</button></form>
</html>
"""


def _local(path: str) -> str:
    if not LOCAL_PATH.fullmatch(path):
        raise ValueError("must be a path of this site, beginning with a single /")
    return path


class RedirectQuery(Body):
    redirect_to: Annotated[str, Field(max_length=2000), AfterValidator(_local)] = "/"


class OAuthProvidersAnswer(BaseModel):
    """The names of the providers by which one can sign in, for `/auth/oauth/{provider}/login`."""

    items: list[str]


@dataclass(frozen=True)
class OAuthSignIn:
    """Sign-in with OpenID Connect providers. `trial`: how long the trial of a new tenant lasts."""

    database: Database
    providers: Mapping[str, OidcProvider]
    states: OAuthStates
    cookie: SessionCookie
    trial: timedelta
    metrics: SignInMetrics

    def routes(self) -> list[Route]:
        base = "/api/v1/auth/oauth/{provider}"
        return [
            PlainRoute(
                "GET", "/api/v1/auth/oauth", self.list_providers, answer=OAuthProvidersAnswer, status=200, public=True
            ),
            PlainRoute("GET", f"{base}/login", self.log_in, query=RedirectQuery, status=302, public=True),
            PlainRoute("GET", f"{base}/link", self.confirm_link, query=RedirectQuery, status=200),
            PlainRoute("POST", f"{base}/link", self.link, query=RedirectQuery, status=303),
            PlainRoute(
                "GET",
                f"{base}/callback",
                self.finish,
                status=302,
                public=True,
                errors=(OAuthStateInvalid, ProviderRefused, EmailUnverified, LinkRequired, OAuthAccountTaken),
            ),
        ]

    async def list_providers(self, _request: Request) -> web.StreamResponse:
        """List the providers that are set up."""
        return reply(OAuthProvidersAnswer(items=sorted(self.providers)), 200)

    async def log_in(self, request: Request) -> web.StreamResponse:
        """Redirect to the provider, to log in or sign up."""
        return await self._begin(request, _new_state(request))

    async def confirm_link(self, request: Request) -> web.StreamResponse:
        """A page that asks whether to link the provider's account to mine. Another site's link leads no further."""
        self._provider(request)
        page = CONFIRMATION.format(provider=escape(request.path["provider"].capitalize()))
        # Under the gateway's `no-referrer` browsers would send the form with `Origin: null`, which is refused.
        return web.Response(text=page, content_type="text/html", headers={"Referrer-Policy": "same-origin"})

    async def link(self, request: Request) -> web.StreamResponse:
        """Redirect to the provider, to link its account to mine."""
        caller = request.identity
        state = replace(
            _new_state(request), user_id=caller.user_id, tenant_id=caller.tenant_id, session_id=caller.session_id
        )
        answer = await self._begin(request, state)
        answer.set_status(303)  # the browser follows with GET
        return answer

    async def finish(self, request: Request) -> web.StreamResponse:
        """Finish at the provider's redirect: start a session, and redirect to the page where the sign-in began."""
        provider = self._provider(request)
        with self.metrics.attempt(provider.name):
            return await self._finish(request, provider)

    async def _finish(self, request: Request, provider: OidcProvider) -> web.StreamResponse:
        query = request.http.query
        state = await self.states.take(request.http, query.get("state", ""), provider.name)
        await provider.check_issuer(query.get("iss"))
        if "code" not in query:
            raise ProviderRefused("The provider refused the sign-in.")
        profile = await provider.fetch_profile(query["code"], state.nonce, state.verifier)
        now, answer = datetime.now(UTC), _redirect(state.redirect_to)
        async with open_work(self.database, tenant_id=state.tenant_id) as work:
            if state.user_id is not None:
                await link_account(work, state, profile, now)
            else:
                user = await find_or_sign_up(work, provider.name, profile, self.trial, now)
                signed_in = await start_session(work, user, self.cookie.lifetime, origin_of(request), now)
                self.cookie.set(answer, signed_in.token)
        self.states.unbind(answer, query["state"])
        return answer

    async def _begin(self, request: Request, state: OAuthState) -> web.StreamResponse:
        provider = self._provider(request)
        key = await self.states.keep(state)
        answer = _redirect(await provider.authorization_url(key, state.nonce, state.verifier))
        self.states.bind(answer, key)
        return answer

    def _provider(self, request: Request) -> OidcProvider:
        provider = self.providers.get(request.path["provider"])
        if provider is None:
            raise NotFound("There is no such provider.")
        return provider


def _new_state(request: Request) -> OAuthState:
    query: RedirectQuery = request.query
    return OAuthState(request.path["provider"], _secret(), _secret(), query.redirect_to)


def _secret() -> str:
    """Random text, long enough for a PKCE verifier."""
    return secrets.token_urlsafe(48)


def _redirect(url: str) -> web.Response:
    return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
