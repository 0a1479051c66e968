"""The keys that auth publishes, fetched over HTTP."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web
from joserfc.jwk import OKPKey

from switchboard.http.identity_keys import (
    KeysUnavailable,
    UnknownKey,
    new_key,
    open_keys,
    public_set,
)
from switchboard.testing.waiting import until


class FakeAuth:
    """A fake instance of auth, which publishes keys."""

    def __init__(self, *keys: OKPKey) -> None:
        self.keys = list(keys)
        self.requests = 0
        self.answer: web.Response | None = None

    async def serve(self, _request: web.Request) -> web.Response:
        self.requests += 1
        return self.answer or web.json_response(public_set(self.keys))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/internal/identity-keys", self.serve)
        return app


Serve = Callable[[web.Application], Awaitable[aiohttp.ClientSession]]


async def published_by(serve: Serve, auth: FakeAuth, *more: str) -> list[str]:
    client = await serve(auth.app())
    return [*more, str(client._base_url).rstrip("/")]


async def test_keys_are_fetched_from_any_instance_that_answers(serve: Serve, key: OKPKey) -> None:
    urls = await published_by(serve, FakeAuth(key), "http://127.0.0.1:1")

    async with open_keys(urls) as keys:
        found = await keys.find("k1")

    assert found.as_dict() == key.as_dict(private=False)
    assert not found.is_private


async def test_the_last_keys_are_kept_while_auth_is_unavailable(serve: Serve, key: OKPKey) -> None:
    auth = FakeAuth(key)
    async with open_keys(await published_by(serve, auth)) as keys:
        await keys.find("k1")
        for malformed in (web.Response(status=500), web.Response(text="{"), web.json_response({"keys": []})):
            auth.answer = malformed
            await keys._fetch()

            assert (await keys.find("k1")).kid == "k1"
            await keys.check()


async def test_an_unknown_key_is_fetched_but_not_at_each_request(serve: Serve, key: OKPKey) -> None:
    auth = FakeAuth(key)
    async with open_keys(await published_by(serve, auth), min_fetch_interval=0.2) as keys:
        await keys.find("k1")
        for _ in range(10):
            with pytest.raises(UnknownKey):
                await keys.find("k2")
        assert auth.requests == 1

        auth.keys.append(new_key("k2"))

        async def known() -> bool:
            with suppress(UnknownKey):
                return (await keys.find("k2")).kid == "k2"
            return False

        await until(known)


async def test_without_any_keys_verification_is_unavailable() -> None:
    async with open_keys(["http://127.0.0.1:1"]) as keys:
        with pytest.raises(KeysUnavailable):
            await keys.find("k1")
        with pytest.raises(KeysUnavailable):
            await keys.check()
