"""What an OpenID provider says is believed only when its own key has signed it, for us and for this very log-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from auth.adapters.oidc_providers import Person, Provider, ProviderUnavailable, open_providers
from auth.domain.provider_settings import ProviderSettings
from auth.domain.users import ProviderRefused
from switchboard.process.listener import open_listener
from switchboard.testing.sign_in import sign_in_provider
from switchboard.testing.waiting import until

BACK = "http://127.0.0.1:8080/api/v1/auth/oauth/mock/callback"
KEY, OTHER_KEY = [RSAKey.generate_key(2048, parameters={"kid": "1"}) for _ in range(2)]
NONCE, VERIFIER = "nonce", "v" * 64

Claims = dict[str, Any]


def signed(claims: Claims, key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


def unsigned(claims: Claims) -> str:
    return signed(claims).rpartition(".")[0].replace("RS256", "none") + "."


class Answering:
    """A provider that answers the exchange of a code as a test wants it to."""

    def __init__(self) -> None:
        self.url = ""
        self.token_answer: Callable[[Claims], web.Response] = lambda claims: told(signed(claims))

    def claims(self) -> Claims:
        now = int(time())
        return {
            "iss": self.url, "aud": "switchboard", "sub": "ann", "nonce": NONCE, "iat": now, "exp": now + 60,
            "email": "ann@example.com", "email_verified": True,
        }  # fmt: skip

    async def discovery(self, _request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return web.json_response({"issuer": self.url, **{name: f"{self.url}/{end}" for name, end in ends.items()}})

    async def jwks(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    async def token(self, _request: web.Request) -> web.Response:
        return self.token_answer(self.claims())


def told(id_token: str) -> web.Response:
    return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": id_token})


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    answering, app = Answering(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", answering.discovery)
    app.router.add_get("/jwks", answering.jwks)
    app.router.add_post("/token", answering.token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    answering.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield answering
    await runner.cleanup()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Provider]:
    discovery = f"{url}/.well-known/openid-configuration"
    async with open_providers([ProviderSettings("mock", "switchboard", "secret", discovery)]) as providers:
        yield providers["mock"]


async def test_who_is_vouched_for_is_told(answering: Answering) -> None:
    async with client_of(answering.url) as provider:
        person = await provider.person("code", BACK, NONCE, VERIFIER)

    assert person == Person("ann", "ann@example.com", True, None)


LIES: dict[str, Callable[[Claims], web.Response]] = {
    "another key": lambda claims: told(signed(claims, OTHER_KEY)),
    "no signature": lambda claims: told(unsigned(claims)),
    "our own secret": lambda claims: told(signed(claims, OctKey.import_key("secret" * 8), "HS256")),
    "another issuer": lambda claims: told(signed({**claims, "iss": "https://evil.example"})),
    "another client": lambda claims: told(signed({**claims, "aud": "somebody-else"})),
    "another nonce": lambda claims: told(signed({**claims, "nonce": "another"})),
    "no nonce": lambda claims: told(signed({n: v for n, v in claims.items() if n != "nonce"})),
    "too old": lambda claims: told(signed({**claims, "exp": int(time()) - 3600})),
    "no end": lambda claims: told(signed({n: v for n, v in claims.items() if n != "exp"})),
    "nobody": lambda claims: told(signed({n: v for n, v in claims.items() if n != "sub"})),
    "no token": lambda _claims: web.json_response({"access_token": "a", "token_type": "Bearer"}),
    "a token that is none": lambda _claims: told("x.y.z"),
    "an error": lambda _claims: web.json_response({"error": "invalid_grant"}, status=400),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_id_token_that_proves_nothing_is_refused(answering: Answering, lie: str) -> None:
    answering.token_answer = LIES[lie]

    async with client_of(answering.url) as provider:
        with pytest.raises(ProviderRefused):
            await provider.person("code", BACK, NONCE, VERIFIER)


@pytest.mark.parametrize(("status", "text"), [(502, "bad gateway"), (200, "<html>"), (200, "[]")])
async def test_a_provider_that_makes_no_sense_is_away(answering: Answering, status: int, text: str) -> None:
    answering.token_answer = lambda _claims: web.Response(status=status, text=text)

    async with client_of(answering.url) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.person("code", BACK, NONCE, VERIFIER)


async def test_a_provider_that_is_not_there_is_away() -> None:
    async with client_of("http://127.0.0.1:1") as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.authorization_url(BACK, "state", NONCE, VERIFIER)


ANN = {"sub": "ann", "email": "ann@example.com", "email_verified": True}


async def test_keys_that_a_real_provider_has_rotated_are_fetched_anew() -> None:
    with open_listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]

    async with client_of(f"http://127.0.0.1:{port}") as provider:
        async with sign_in_provider(port, ANN):
            assert (await signed_in(provider)).subject == "ann"
        async with sign_in_provider(port, ANN):

            async def is_believed() -> bool:
                try:
                    return (await signed_in(provider)).subject == "ann"
                except (ProviderRefused, ProviderUnavailable):
                    return False  # keys are not fetched again and again

            await until(is_believed, within=30)


async def signed_in(provider: Provider) -> Person:
    url = await provider.authorization_url(BACK, "state", NONCE, VERIFIER)
    async with httpx.AsyncClient() as browser:
        approved = await browser.post(url, data={"sub": "ann"})
    code = parse_qs(urlsplit(approved.headers["location"]).query)["code"][0]
    return await provider.person(code, BACK, NONCE, VERIFIER)
