"""Users, roles, sessions, passwords and trials: what changes holds on every gateway in the very next request."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from switchboard.testing.waiting import until


class Office:
    """A tenant with an owner and an agent, at two gateways."""

    def __init__(self, stack: Any, first: str, second: str) -> None:
        self.stack = stack
        self.first = f"{first}/api/v1"
        self.second = f"{second}/api/v1"
        self.owner = ""
        self.agent = ""
        self.agent_id = ""

    async def ask(self, method: str, url: str, token: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.stack.client.request(method, url, headers=headers, json=body or None) as answer:
            return answer.status, await answer.json(content_type=None)

    async def invite(self, email: str, role: str = "agent") -> tuple[int, Any]:
        return await self.ask("POST", f"{self.first}/users", self.owner, email=email, name="Bob", role=role)

    async def accept(self, invite_token: str, password: str = "battery staple") -> tuple[int, Any]:
        body = {"token": invite_token, "password": password}
        async with self.stack.client.post(f"{self.second}/auth/invites/accept", json=body) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def office(stack: Any) -> Office:
    auth = await stack.auth(), await stack.auth()
    gateways = await stack.gateway(*auth), await stack.gateway(*auth)
    office = Office(stack, *gateways)
    office.owner = (await stack.sign_up(gateways[0]))["session"]["token"]
    _, invited = await office.invite("bob@example.com")
    _, accepted = await office.accept(invited["invite_token"])
    office.agent, office.agent_id = accepted["session"]["token"], accepted["user"]["id"]
    return office


async def test_an_invitation_is_accepted_once(office: Office) -> None:
    _, invited = await office.invite("carol@example.com", "admin")

    first, accepted = await office.accept(invited["invite_token"])
    again, problem = await office.accept(invited["invite_token"])

    assert (first, accepted["user"]["role"], accepted["tenant"]["name"]) == (200, "admin", "Acme")
    assert (again, problem["code"]) == (400, "invite_invalid")


async def test_the_last_invitation_holds(office: Office) -> None:
    _, first = await office.invite("carol@example.com", "agent")
    status, second = await office.invite("carol@example.com", "admin")

    assert (status, second["user"]["id"], second["user"]["role"]) == (201, first["user"]["id"], "admin")
    assert (await office.accept(first["invite_token"]))[0] == 400
    assert (await office.accept(second["invite_token"]))[1]["user"]["role"] == "admin"


async def test_inviting_another_tenants_user_answers_alike_and_does_nothing(office: Office) -> None:
    stranger = await office.stack.sign_up(office.first.removesuffix("/api/v1"), "dora@example.com")

    status, invited = await office.invite("Dora@Example.com")

    assert (status, invited["user"]["email"]) == (201, "dora@example.com")
    assert (await office.accept(invited["invite_token"]))[0] == 400
    token = stranger["session"]["token"]
    assert (await office.ask("GET", f"{office.second}/auth/me", token))[1]["tenant"] == stranger["tenant"]


async def test_a_change_of_role_holds_everywhere_in_the_next_request(office: Office) -> None:
    user = f"{office.first}/users/{office.agent_id}"

    for role, status in (("admin", 200), ("agent", 403)) * 5:
        assert (await office.ask("PATCH", user, office.owner, role=role))[0] == 200
        assert (await office.ask("GET", f"{office.first}/users", office.agent))[0] == status
        assert (await office.ask("GET", f"{office.second}/users", office.agent))[0] == status


async def test_a_disabled_user_is_out_everywhere_and_stays_out(office: Office) -> None:
    user = f"{office.first}/users/{office.agent_id}"

    assert (await office.ask("PATCH", user, office.owner, disabled=True))[0] == 200

    assert (await office.ask("GET", f"{office.second}/auth/me", office.agent))[0] == 401
    body = {"email": "bob@example.com", "password": "battery staple"}
    assert await office.stack.status("POST", f"{office.second}/auth/login", json=body) == 401
    assert (await office.ask("PATCH", user, office.owner, disabled=False))[0] == 200
    assert await office.stack.status("POST", f"{office.second}/auth/login", json=body) == 200


async def test_admins_can_not_touch_the_owner(office: Office) -> None:
    _, invited = await office.invite("carol@example.com", "admin")
    admin = (await office.accept(invited["invite_token"]))[1]["session"]["token"]
    _, users = await office.ask("GET", f"{office.first}/users", admin)
    owner = next(user["id"] for user in users["items"] if user["role"] == "owner")

    assert (await office.ask("PATCH", f"{office.first}/users/{owner}", admin, name="Mine"))[0] == 403
    assert (await office.ask("PATCH", f"{office.first}/users/{owner}", office.owner, role="agent"))[0] == 409
    assert (await office.ask("PATCH", f"{office.first}/tenant", admin, name="Mine"))[0] == 403


async def test_sessions_are_listed_and_ended_one_by_one_or_all_others(office: Office) -> None:
    gateway = office.first.removesuffix("/api/v1")
    tokens = [await office.stack.log_in(gateway) for _ in range(3)]
    _, listed = await office.ask("GET", f"{office.second}/auth/sessions", tokens[0])
    current = next(one for one in listed["items"] if one["current"])

    assert [one["address"] for one in listed["items"]] == ["127.0.0.1"] * 4
    assert (await office.ask("DELETE", f"{office.first}/auth/sessions/{current['id']}", office.agent))[0] == 404
    assert (await office.ask("DELETE", f"{office.first}/auth/sessions/{current['id']}", tokens[1]))[0] == 204
    assert (await office.ask("GET", f"{office.second}/auth/me", tokens[0]))[0] == 401
    assert (await office.ask("DELETE", f"{office.first}/auth/sessions", tokens[1]))[0] == 204
    assert (await office.ask("GET", f"{office.second}/auth/me", tokens[2]))[0] == 401
    assert (await office.ask("GET", f"{office.second}/auth/me", tokens[1]))[0] == 200


async def test_a_password_change_ends_all_other_sessions(office: Office) -> None:
    gateway = office.first.removesuffix("/api/v1")
    other = await office.stack.log_in(gateway)
    change = f"{office.first}/auth/password"

    assert (await office.ask("POST", change, office.owner, current="wrong", new="long enough"))[0] == 401
    assert (await office.ask("POST", change, office.owner, current="correct horse", new="long enough"))[0] == 204

    assert (await office.ask("GET", f"{office.second}/auth/me", other))[0] == 401
    assert (await office.ask("GET", f"{office.second}/auth/me", office.owner))[0] == 200
    await office.stack.log_in(gateway, password="long enough")


async def test_ten_failures_close_an_account_to_that_address_for_a_while_whichever_instance_counts(stack: Any) -> None:
    auth = await stack.auth(), await stack.auth()
    gateway = await stack.gateway(*auth)
    await stack.sign_up(gateway)
    url, wrong = f"{gateway}/api/v1/auth/login", {"email": "ann@example.com", "password": "wrong"}

    statuses = [await stack.status("POST", url, json=wrong) for _ in range(11)]

    assert statuses == [401] * 10 + [429]
    started_since = await stack.gateway(await stack.auth())
    async with stack.client.post(
        f"{started_since}/api/v1/auth/login", json={**wrong, "password": "correct horse"}
    ) as answer:
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert await stack.status("POST", url, json={**wrong, "email": "other@example.com"}) == 401


async def test_a_burst_of_guesses_gets_no_more_tries_than_one_after_another(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth())
    await stack.sign_up(gateway)
    url, wrong = f"{gateway}/api/v1/auth/login", {"email": "ann@example.com", "password": "wrong"}

    statuses = await asyncio.gather(*(stack.status("POST", url, json=wrong) for _ in range(25)))

    assert sorted(statuses) == [401] * 10 + [429] * 15


async def test_an_unknown_address_is_told_what_a_wrong_password_is(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth())
    await stack.sign_up(gateway)
    told = []

    for email in ("ann@example.com", "nobody@example.com", "not an address"):
        body = {"email": email, "password": "wrong"}
        async with stack.client.post(f"{gateway}/api/v1/auth/login", json=body) as answer:
            told.append((answer.status, {**await answer.json(), "request_id": ""}))

    assert told[0][0] == 401
    assert (told[0][1]["code"], told[1:]) == ("invalid_credentials", [told[0]] * 2)


@pytest.mark.parametrize(
    ("public_url", "cookie"),
    [
        ("http://127.0.0.1:8080", "session={token}; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax"),
        ("https://crm.example.com", "__Host-session={token}; HttpOnly; Max-Age=2592000; Path=/; SameSite=Lax; Secure"),
    ],
)
async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(stack: Any, public_url: str, cookie: str) -> None:
    gateway = await stack.gateway(await stack.auth(public_url=public_url), public_url=public_url)
    body = {"tenant_name": "Acme", "name": "Ann", "email": "ann@example.com", "password": "correct horse"}

    async with stack.client.post(f"{gateway}/api/v1/auth/signup", json=body) as answer:
        token = (await answer.json())["session"]["token"]
        given = answer.headers["Set-Cookie"]
        assert answer.headers["Cache-Control"] == "no-store"

    assert sorted(given.split("; ")) == sorted(cookie.format(token=token).split("; "))
    headers = {"Cookie": given.partition(";")[0], "Origin": public_url}
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", headers=headers) == 200
    async with stack.client.post(f"{gateway}/api/v1/auth/logout", headers=headers) as answer:
        assert (answer.status, "Max-Age=0" in answer.headers["Set-Cookie"]) == (204, True)


async def test_the_same_address_signs_up_once(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth())
    body = {"tenant_name": "Acme", "name": "Ann", "email": "ann@example.com", "password": "correct horse"}
    url = f"{gateway}/api/v1/auth/signup"

    statuses = await asyncio.gather(*(stack.status("POST", url, json=body) for _ in range(5)))

    assert sorted(statuses) == [201, 409, 409, 409, 409]


async def test_the_owner_extends_a_trial_that_is_over(stack: Any) -> None:
    auth = await stack.auth(trial_duration="1ms")
    gateways = await stack.gateway(auth), await stack.gateway(auth)
    token = (await stack.sign_up(gateways[0]))["session"]["token"]
    reminders = f"{gateways[1]}/api/v1/reminders"
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert await stack.status("POST", reminders, token, json={}) == 402

    assert await stack.status("PATCH", f"{gateways[0]}/api/v1/tenant", token, json={"trial_ends_at": later}) == 200

    assert await stack.status("POST", reminders, token, json={}) == 503  # let through: there is just no scheduler here


async def test_a_revocation_while_redis_is_away_is_told_so_and_follows(stack: Any, dead_redis_url: str) -> None:
    with_redis, without = await stack.auth(), await stack.auth(redis_url=dead_redis_url)
    gateway = await stack.gateway(with_redis)
    token = (await stack.sign_up(gateway))["session"]["token"]
    assert await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 200

    cut_off = await stack.gateway(without)
    async with stack.client.post(
        f"{cut_off}/api/v1/auth/logout", headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        assert (answer.status, "Retry-After" in answer.headers) == (503, True)

    async def is_out() -> bool:
        return bool(await stack.status("GET", f"{gateway}/api/v1/auth/me", token) == 401)

    await until(is_out)  # the instance that does reach Redis shows the mark
