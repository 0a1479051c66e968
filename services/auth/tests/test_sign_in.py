"""Signing up and in by password, and the rate limit for failed sign-ins."""

import asyncio

from .deployment import API, Deployment

WRONG = {"email": "ann@example.com", "password": "wrong"}


async def test_the_same_address_signs_up_once(deployment: Deployment) -> None:
    gateway = await deployment.gateway(await deployment.auth())
    body = {"tenant_name": "Acme", "name": "Ann", "email": "ann@example.com", "password": "correct horse"}
    url = f"{gateway}{API}/auth/signup"

    statuses = await asyncio.gather(*(deployment.status("POST", url, json=body) for _ in range(5)))

    assert sorted(statuses) == [201, 409, 409, 409, 409]


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
