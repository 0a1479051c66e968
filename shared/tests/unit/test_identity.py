from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from switchboard.http.identity import Identity, IdentitySigner, IdentityVerifier, InvalidIdentity, Role
from switchboard.http.identity_keys import (
    FixedKeys,
    new_key,
)


class Clock:
    """A clock that is set by the test."""

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
async def test_a_malformed_token_is_refused(verifier: IdentityVerifier, token: str | None) -> None:
    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


async def test_an_identity_for_another_service_is_refused(
    signer: IdentitySigner, verifier: IdentityVerifier, anna: Identity
) -> None:
    with pytest.raises(InvalidIdentity):
        await verifier.verify(signer.sign(anna, "auth"))


async def test_an_identity_signed_by_another_key_with_the_same_id_is_refused(
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
async def test_invalid_claims_are_refused(
    verifier: IdentityVerifier, key: OKPKey, clock: Clock, anna: Identity, changed: dict[str, object]
) -> None:
    claims = {
        "aud": "files", "exp": int(clock()) + 60, "iat": int(clock()), "role": "agent",
        "sub": str(anna.user_id), "tid": str(anna.tenant_id), "sid": str(anna.session_id), **changed,
    }  # fmt: skip
    token = jwt.encode({"alg": "Ed25519", "kid": "k1"}, claims, key, algorithms=["Ed25519"])

    with pytest.raises(InvalidIdentity):
        await verifier.verify(token)


async def test_an_identity_expires_after_a_minute_and_leeway_also_if_cached(
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


def test_another_session_role_or_audience_makes_another_token(signer: IdentitySigner, anna: Identity) -> None:
    admin = Identity(anna.user_id, anna.tenant_id, Role.ADMIN, anna.session_id)
    other_session = Identity(anna.user_id, anna.tenant_id, anna.role, UUID(int=1))

    tokens = {
        signer.sign(anna, "files"),
        signer.sign(anna, "auth"),
        signer.sign(admin, "files"),
        signer.sign(other_session, "files"),
    }

    assert len(tokens) == 4


async def test_the_token_caches_are_bounded(key: OKPKey, anna: Identity) -> None:
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
