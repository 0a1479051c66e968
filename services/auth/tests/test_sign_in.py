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
