from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import aiohttp
import orjson
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from switchboard.http.identity import Identity, IdentitySigner, IdentityVerifier, InvalidIdentity, Role
from switchboard.http.identity_keys import (
    FixedKeys,
    KeysUnavailable,
    UnknownKey,
    new_key,
    open_keys,
    public_set,
    read_key_file,
    read_keys,
    signing_key,
)
from switchboard.testing.waiting import until


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer(key: OKPKey, clock: Clock) -> IdentitySigner:
    return IdentitySigner(key, clock=clock)


@pytest.fixture
def verifier(key: OKPKey, clock: Clock) -> IdentityVerifier:
    return IdentityVerifier("files", FixedKeys([key]), clock=clock)


async def test_a_signed_identity_is_read_back(
    signer: IdentitySigner, verifier: IdentityVerifier, anna: Identity
) -> None:
    assert await verifier.verify(signer.sign(anna, "files")) == anna


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "é", "....", "x" * 5000, "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_refused(verifier: IdentityVerifier, token: str | None) -> None:
    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


async def test_an_identity_for_another_service_is_refused(
    signer: IdentitySigner, verifier: IdentityVerifier, anna: Identity
) -> None:
    with pytest.raises(InvalidIdentity):
        await verifier.verify(signer.sign(anna, "auth"))


async def test_an_identity_signed_by_another_key_of_the_same_name_is_refused(
    verifier: IdentityVerifier, clock: Clock, anna: Identity
) -> None:
    forged = IdentitySigner(new_key("k1"), clock=clock).sign(anna, "files")

    with pytest.raises(InvalidIdentity):
        await verifier.verify(forged)


async def test_an_identity_signed_by_an_unknown_key_is_refused(
    verifier: IdentityVerifier, clock: Clock, anna: Identity
) -> None:
    forged = IdentitySigner(new_key("k2"), clock=clock).sign(anna, "files")

    with pytest.raises(InvalidIdentity):
        await verifier.verify(forged)


async def test_a_public_key_used_as_a_shared_secret_is_refused(
    verifier: IdentityVerifier, key: OKPKey, clock: Clock
) -> None:
    secret = OctKey.import_key(str(key.as_dict(private=False)["x"]))
    claims = {"aud": "files", "exp": int(clock()) + 60, "iat": int(clock())}
    forged = jwt.encode({"alg": "HS256", "kid": "k1"}, claims, secret, algorithms=["HS256"])

    with pytest.raises(InvalidIdentity):
        await verifier.verify(forged)


@pytest.mark.parametrize("changed", [{"role": "god"}, {"sub": "1"}, {"exp": "soon"}, {"aud": ["files"]}, {"iat": None}])
async def test_claims_that_make_no_sense_are_refused(
    verifier: IdentityVerifier, key: OKPKey, clock: Clock, anna: Identity, changed: dict[str, object]
) -> None:
    claims = {
        "aud": "files", "exp": int(clock()) + 60, "iat": int(clock()), "role": "agent",
        "sub": str(anna.user_id), "tid": str(anna.tenant_id), "sid": str(anna.session_id), **changed,
    }  # fmt: skip
    token = jwt.encode({"alg": "Ed25519", "kid": "k1"}, claims, key, algorithms=["Ed25519"])

    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


async def test_an_identity_expires_after_a_minute_and_a_little_leeway_also_when_it_was_seen_before(
    signer: IdentitySigner, verifier: IdentityVerifier, clock: Clock, anna: Identity
) -> None:
    token = signer.sign(anna, "files")

    clock.now += 64
    assert await verifier.verify(token) == anna
    clock.now += 1.5
    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


async def test_an_identity_from_the_future_is_refused(
    signer: IdentitySigner, verifier: IdentityVerifier, clock: Clock, anna: Identity
) -> None:
    token = signer.sign(anna, "files")
    clock.now -= 10

    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


def test_a_signed_identity_is_reused_until_shortly_before_it_expires(
    signer: IdentitySigner, clock: Clock, anna: Identity
) -> None:
    first = signer.sign(anna, "files")

    clock.now += 44
    assert signer.sign(anna, "files") == first
    clock.now += 1
    assert signer.sign(anna, "files") != first


def test_another_session_role_or_audience_makes_another_identity(signer: IdentitySigner, anna: Identity) -> None:
    admin = Identity(anna.user_id, anna.tenant_id, Role.ADMIN, anna.session_id)
    elsewhere = Identity(anna.user_id, anna.tenant_id, anna.role, UUID(int=1))

    tokens = {
        signer.sign(anna, "files"),
        signer.sign(anna, "auth"),
        signer.sign(admin, "files"),
        signer.sign(elsewhere, "files"),
    }

    assert len(tokens) == 4


async def test_what_is_remembered_is_bounded(key: OKPKey, anna: Identity) -> None:
    signer = IdentitySigner(key, cache_size=3)
    verifier = IdentityVerifier("files", FixedKeys([key]), cache_size=3)

    for number in range(5):
        session = Identity(anna.user_id, anna.tenant_id, anna.role, UUID(int=number))
        assert await verifier.verify(signer.sign(session, "files")) == session

    assert len(verifier._verified) == 3
    assert len(signer._signed) == 3


def test_roles_are_ordered() -> None:
    assert Role.OWNER > Role.ADMIN > Role.AGENT
    assert Role.ADMIN >= Role.ADMIN
    assert sorted(Role) == [Role.AGENT, Role.ADMIN, Role.OWNER]
    assert max(Role) is Role.OWNER
    assert Role.ADMIN.allows(Role.AGENT)
    assert not Role.AGENT.allows(Role.ADMIN)


class Auth:
    """An instance of auth, of which only the keys can be seen."""

    def __init__(self, *keys: OKPKey) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.answer: web.Response | None = None

    async def serve(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return self.answer or web.json_response(public_set(self.keys))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/internal/identity-keys", self.serve)
        return app


Serve = Callable[[web.Application], Awaitable[aiohttp.ClientSession]]


async def published_by(serve: Serve, auth: Auth, *more: str) -> list[str]:
    client = await serve(auth.app())
    return [*more, str(client._base_url).rstrip("/")]


async def test_keys_are_fetched_from_any_instance_that_answers(serve: Serve, key: OKPKey) -> None:
    urls = await published_by(serve, Auth(key), "http://127.0.0.1:1")

    async with open_keys(urls) as keys:
        found = await keys.find("k1")

    assert found.as_dict() == key.as_dict(private=False)
    assert not found.is_private


async def test_the_last_good_copy_serves_while_auth_is_away_or_talks_nonsense(serve: Serve, key: OKPKey) -> None:
    auth = Auth(key)
    async with open_keys(await published_by(serve, auth)) as keys:
        await keys.find("k1")
        for nonsense in (web.Response(status=500), web.Response(text="{"), web.json_response({"keys": []})):
            auth.answer = nonsense
            await keys._fetch()

            assert (await keys.find("k1")).kid == "k1"
            await keys.check()


async def test_an_unknown_key_is_asked_for_but_not_at_each_request(serve: Serve, key: OKPKey) -> None:
    auth = Auth(key)
    async with open_keys(await published_by(serve, auth), min_fetch_interval=0.2) as keys:
        await keys.find("k1")
        for _ in range(10):
            with pytest.raises(UnknownKey):
                await keys.find("k2")
        assert auth.asked == 1

        auth.keys.append(new_key("k2"))

        async def known() -> bool:
            with suppress(UnknownKey):
                return (await keys.find("k2")).kid == "k2"
            return False

        await until(known)


async def test_without_any_keys_it_is_an_outage_and_not_the_caller_s_fault() -> None:
    async with open_keys(["http://127.0.0.1:1"]) as keys:
        with pytest.raises(KeysUnavailable):
            await keys.find("k1")
        with pytest.raises(KeysUnavailable):
            await keys.check()


def test_a_private_part_is_never_published(key: OKPKey) -> None:
    [published] = public_set([key])["keys"]

    assert "d" not in published
    assert published["kid"] == "k1"


def test_a_key_file_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for text in ("", "{}", "[]", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "AA"}]}'):
        file.write_text(text)
        with pytest.raises(ValueError, match=str(file)):
            read_key_file(file)


def test_the_first_private_key_signs(key: OKPKey) -> None:
    old = read_keys(orjson.dumps(public_set([new_key("old")])))

    assert signing_key([*old, key]) is key
    with pytest.raises(ValueError, match="no private key"):
        signing_key(old)
