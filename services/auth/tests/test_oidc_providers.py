"""ID tokens of OpenID Connect providers: only one that the provider signed for this sign-in is accepted."""

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

from auth.adapters.oidc_providers import OidcProfile, OidcProvider, ProviderUnavailable, open_providers
from auth.domain.oauth import ProviderRefused, ProviderSettings
from switchboard.process.listener import open_listener
from switchboard.testing.sign_in import sign_in_provider
from switchboard.testing.waiting import until

PUBLIC_URL = "http://127.0.0.1:8080"
KEY, OTHER_KEY = [RSAKey.generate_key(2048, parameters={"kid": "1"}) for _ in range(2)]
NONCE, VERIFIER = "nonce", "v" * 64

Claims = dict[str, Any]


def signed(claims: Claims, key: Any = KEY, alg: str = "RS256") -> str:
    return jwt.encode({"alg": alg, "kid": "1"}, claims, key, algorithms=[alg])


def unsigned(claims: Claims) -> str:
    return signed(claims).rpartition(".")[0].replace("RS256", "none") + "."


class FakeProvider:
    """A provider that answers the exchange of a code as the test sets it."""

    def __init__(self) -> None:
        self.url = ""
        self.promises: dict[str, bool] = {}
        self.token_answer: Callable[[Claims], web.Response] = lambda claims: id_token_answer(signed(claims))

    def claims(self) -> Claims:
        now = int(time())
        return {
            "iss": self.url, "aud": "switchboard", "sub": "ann", "nonce": NONCE, "iat": now, "exp": now + 60,
            "email": "ann@example.com", "email_verified": True,
        }  # fmt: skip

    async def discovery(self, _request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        found = {"issuer": self.url, **{name: f"{self.url}/{end}" for name, end in ends.items()}}
        return web.json_response({**found, **self.promises})

    async def jwks(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [KEY.as_dict(private=False)]})

    async def token(self, _request: web.Request) -> web.Response:
        return self.token_answer(self.claims())


def id_token_answer(id_token: str) -> web.Response:
    return web.json_response({"access_token": "a", "token_type": "Bearer", "id_token": id_token})


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    fake, app = FakeProvider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", fake.discovery)
    app.router.add_get("/jwks", fake.jwks)
    app.router.add_post("/token", fake.token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[OidcProvider]:
    discovery = f"{url}/.well-known/openid-configuration"
    async with open_providers(
        [ProviderSettings("mock", "switchboard", "secret", discovery)], PUBLIC_URL, key_pause=0.5
    ) as providers:
        yield providers["mock"]


async def test_a_valid_id_token_gives_the_profile(fake: FakeProvider) -> None:
    async with client_of(fake.url) as provider:
        profile = await provider.fetch_profile("code", NONCE, VERIFIER)

    assert profile == OidcProfile("ann", "ann@example.com", True, None)


@pytest.mark.parametrize(
    ("name", "shown"), [("x" * 10_000, "x" * 200), ("A\0nn\n", "Ann"), (5, None), ("", None), ("José", "José")]
)
async def test_a_name_is_shortened_and_cleaned(fake: FakeProvider, name: object, shown: str | None) -> None:
    fake.token_answer = lambda claims: id_token_answer(signed({**claims, "name": name}))
    async with client_of(fake.url) as provider:
        profile = await provider.fetch_profile("code", NONCE, VERIFIER)

    assert profile.name == shown


INVALID_TOKENS: dict[str, Callable[[Claims], web.Response]] = {
    "another key": lambda claims: id_token_answer(signed(claims, OTHER_KEY)),
    "no signature": lambda claims: id_token_answer(unsigned(claims)),
    "our own secret": lambda claims: id_token_answer(signed(claims, OctKey.import_key("secret" * 8), "HS256")),
    "another issuer": lambda claims: id_token_answer(signed({**claims, "iss": "https://evil.example"})),
    "another client": lambda claims: id_token_answer(signed({**claims, "aud": "another-client"})),
    "another nonce": lambda claims: id_token_answer(signed({**claims, "nonce": "another"})),
    "no nonce": lambda claims: id_token_answer(signed({n: v for n, v in claims.items() if n != "nonce"})),
    "too old": lambda claims: id_token_answer(signed({**claims, "exp": int(time()) - 3600})),
    "no end": lambda claims: id_token_answer(signed({n: v for n, v in claims.items() if n != "exp"})),
    "no subject": lambda claims: id_token_answer(signed({n: v for n, v in claims.items() if n != "sub"})),
    "another party of several": lambda claims: id_token_answer(
        signed({**claims, "aud": ["switchboard", "other"], "azp": "other"})
    ),
    "another party": lambda claims: id_token_answer(signed({**claims, "azp": "other"})),
    "several parties": lambda claims: id_token_answer(signed({**claims, "aud": ["switchboard", "other"]})),
    "no address": lambda claims: id_token_answer(signed({**claims, "email": "not an address"})),
    "a list of addresses": lambda claims: id_token_answer(signed({**claims, "email": ["ann@example.com"]})),
    "an address with NUL": lambda claims: id_token_answer(signed({**claims, "email": "a\0nn@example.com"})),
    "a number for yes": lambda claims: id_token_answer(signed({**claims, "email_verified": 1})),
    "a subject with NUL": lambda claims: id_token_answer(signed({**claims, "sub": "a\0nn"})),
    "no token": lambda _claims: web.json_response({"access_token": "a", "token_type": "Bearer"}),
    "a token that is none": lambda _claims: id_token_answer("x.y.z"),
    "an error": lambda _claims: web.json_response({"error": "invalid_grant"}, status=400),
}


@pytest.mark.parametrize("case", INVALID_TOKENS)
async def test_an_invalid_id_token_is_refused(fake: FakeProvider, case: str) -> None:
    fake.token_answer = INVALID_TOKENS[case]

    async with client_of(fake.url) as provider:
        with pytest.raises(ProviderRefused):
            await provider.fetch_profile("code", NONCE, VERIFIER)


async def test_a_provider_that_promises_its_issuer_must_name_it(fake: FakeProvider) -> None:
    async with client_of(fake.url) as silent:
        await silent.check_issuer(None)
    fake.promises = {"authorization_response_iss_parameter_supported": True}

    async with client_of(fake.url) as provider:
        await provider.check_issuer(fake.url)
        with pytest.raises(ProviderRefused):
            await provider.check_issuer(None)


@pytest.mark.parametrize(("status", "text"), [(502, "bad gateway"), (200, "<html>"), (200, "[]")])
async def test_an_unreadable_answer_counts_as_unavailable(fake: FakeProvider, status: int, text: str) -> None:
    fake.token_answer = lambda _claims: web.Response(status=status, text=text)

    async with client_of(fake.url) as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.fetch_profile("code", NONCE, VERIFIER)


async def test_an_unreachable_provider_is_unavailable() -> None:
    async with client_of("http://127.0.0.1:1") as provider:
        with pytest.raises(ProviderUnavailable):
            await provider.authorization_url("state", NONCE, VERIFIER)


ANN = {"sub": "ann", "email": "ann@example.com", "email_verified": True}


async def test_rotated_keys_of_a_provider_are_fetched_again() -> None:
    with open_listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]

    async with client_of(f"http://127.0.0.1:{port}") as provider:
        async with sign_in_provider(port, ANN):
            assert (await signed_in(provider)).subject == "ann"
        async with sign_in_provider(port, ANN):

            async def is_accepted() -> bool:
                try:
                    return (await signed_in(provider)).subject == "ann"
                except (ProviderRefused, ProviderUnavailable):
                    return False  # keys are fetched again after a pause only

            await until(is_accepted, within=30)


async def signed_in(provider: OidcProvider) -> OidcProfile:
    url = await provider.authorization_url("state", NONCE, VERIFIER)
    async with httpx.AsyncClient() as browser:
        approved = await browser.post(url, data={"sub": "ann"})
    code = parse_qs(urlsplit(approved.headers["location"]).query)["code"][0]
    return await provider.fetch_profile(code, NONCE, VERIFIER)
