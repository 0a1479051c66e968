"""Signing up and in by password, and the rate limit for failed sign-ins."""

import asyncio

import pytest

from .deployment import API, Deployment

WRONG = {"email": "ann@example.com", "password": "wrong"}


async def test_the_same_address_signs_up_once(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    body = {"tenant_name": "Acme", "name": "Ann", "email": "ann@example.com", "password": "correct horse"}
    url = f"{gateway}{API}/auth/signup"

    statuses = await asyncio.gather(*(deployment.status("POST", url, json=body) for _ in range(5)))

    assert sorted(statuses) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("email", "same"),
    [
        ("a@xn--bcher-kva.example", "A@bücher.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("a@ｅｘａｍｐｌｅ.com", "a@example.com"),
        ("a@example。com", "a@example.com"),
    ],
)
async def test_who_signs_up_signs_in_with_the_very_same_text(deployment: Deployment, email: str, same: str) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    body = {"tenant_name": "Acme", "name": "Ann", "email": email, "password": "correct horse"}
    credentials = {"email": email, "password": "correct horse"}

    assert await deployment.status("POST", f"{gateway}{API}/auth/signup", json=body) == 201
    assert await deployment.status("POST", f"{gateway}{API}/auth/login", json=credentials) == 200
    assert await deployment.status("POST", f"{gateway}{API}/auth/login", json={**credentials, "email": same}) == 200
    assert await deployment.status("POST", f"{gateway}{API}/auth/signup", json={**body, "email": same}) == 409


@pytest.mark.parametrize(
    "email", ["Ada <a@example.com>", f"{'x' * 65}@example.com", "a@", "@example.com", "a b@example.com"]
)
async def test_what_is_no_address_is_refused(deployment: Deployment, email: str) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    body = {"tenant_name": "Acme", "name": "Ann", "email": email, "password": "correct horse"}

    assert await deployment.status("POST", f"{gateway}{API}/auth/signup", json=body) == 422


async def test_ten_failed_sign_ins_block_an_address_on_every_instance(deployment: Deployment) -> None:
    auth = await deployment.auth(), await deployment.auth()
    gateway = await deployment.gateway(*auth)
    await deployment.sign_up(gateway)
    url = f"{gateway}{API}/auth/login"

    statuses = [await deployment.status("POST", url, json=WRONG) for _ in range(11)]

    assert statuses == [401] * 10 + [429]
    started_since = await deployment.gateway(await deployment.auth())
    async with deployment.client.post(
        f"{started_since}{API}/auth/login", json={**WRONG, "password": "correct horse"}
    ) as answer:
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert await deployment.status("POST", url, json={**WRONG, "email": "other@example.com"}) == 401


async def test_a_burst_of_guesses_gets_no_more_tries_than_a_sequence(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    await deployment.sign_up(gateway)
    url = f"{gateway}{API}/auth/login"

    statuses = await asyncio.gather(*(deployment.status("POST", url, json=WRONG) for _ in range(25)))

    assert sorted(statuses) == [401] * 10 + [429] * 15


async def test_an_unknown_address_is_answered_like_a_wrong_password(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    await deployment.sign_up(gateway)
    answers = []

    for email in ("ann@example.com", "unknown@example.com", "not an address"):
        body = {"email": email, "password": "wrong"}
        async with deployment.client.post(f"{gateway}{API}/auth/login", json=body) as answer:
            answers.append((answer.status, {**await answer.json(), "request_id": ""}))

    assert answers[0][0] == 401
    assert (answers[0][1]["code"], answers[1:]) == ("invalid_credentials", [answers[0]] * 2)


async def test_failures_at_many_accounts_block_an_address(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth(failed_logins_by_address=5), trusted_proxies="127.0.0.0/8")
    await deployment.sign_up(gateway)
    url = f"{gateway}{API}/auth/login"

    async def guess(n: int, address: str, **found: str) -> int:
        body = {"email": f"u{n}@example.com", "password": "wrong", **found}
        return await deployment.status("POST", url, json=body, headers={"X-Forwarded-For": address})

    # Of one /64, in whatever spelling.
    statuses = await asyncio.gather(*(guess(n, f"2001:db8::{n}") for n in range(1, 9)))
    right = {"email": "ann@example.com", "password": "correct horse"}

    assert sorted(statuses) == [401] * 5 + [429] * 3
    assert await guess(9, "2001:db8::9", **right) == 429
    assert await guess(9, "2001:db8:0:1::9", **right) == 200


async def test_sign_ins_that_succeed_are_not_counted(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth(failed_logins_by_address=2))
    await deployment.sign_up(gateway)

    for _ in range(4):
        await deployment.log_in(gateway)


async def test_sign_ups_of_one_address_are_limited(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth(sign_ups_by_address=3))
    body = {"tenant_name": "Acme", "name": "Ann", "password": "correct horse"}

    statuses = []
    for n in range(5):
        made = {**body, "email": f"u{n}@example.com"}
        statuses.append(await deployment.status("POST", f"{gateway}{API}/auth/signup", json=made))

    assert statuses == [201] * 3 + [429] * 2
