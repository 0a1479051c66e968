"""Session invalidation: a session that ends at one gateway has ended at the other in the next request, 100 times."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from switchboard.testing.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TIMES = 100
PASSWORD = "correct horse"  # of users that `sign_up` creates
OTHER_PASSWORD = "battery staple"


class Deployment:
    """Two gateways with two instances of auth; an owner, and an agent."""

    def __init__(self, stack: Any, first: str, second: str) -> None:
        self.stack = stack
        self.first = f"{first}/api/v1"
        self.second = f"{second}/api/v1"
        self.owner = ""
        self.agent_id = ""
        self.password = PASSWORD

    async def ask(self, url: str, method: str, token: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.stack.client.request(method, url, headers=headers, json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json(content_type=None)

    async def log_in(self) -> str:
        gateway = self.first.removesuffix("/api/v1")
        return str(await self.stack.log_in(gateway, "bob@example.com", self.password))

    async def statuses(self, token: str, path: str = "/auth/me") -> list[int]:
        return [await self.stack.status("GET", url + path, token) for url in (self.first, self.second)]

    async def revoke(self, token: str) -> None:
        listed = await self.ask(f"{self.first}/auth/sessions", "GET", token)
        current = next(one["id"] for one in listed["items"] if one["current"])
        await self.ask(f"{self.second}/auth/sessions/{current}", "DELETE", await self.log_in())

    async def revoke_others(self, _token: str) -> None:
        await self.ask(f"{self.second}/auth/sessions", "DELETE", await self.log_in())

    async def change_password(self, _token: str) -> None:
        new = OTHER_PASSWORD if self.password == PASSWORD else PASSWORD
        body = {"current": self.password, "new": new}
        await self.ask(f"{self.second}/auth/password", "POST", await self.log_in(), body)
        self.password = new

    async def disable(self, _token: str) -> None:
        await self.change_agent(disabled=True)

    async def change_agent(self, **changes: Any) -> None:
        await self.ask(f"{self.second}/users/{self.agent_id}", "PATCH", self.owner, changes)


@pytest.fixture
async def deployment(stack: Any) -> Deployment:
    auth = await stack.auth(), await stack.auth()
    deployment = Deployment(stack, await stack.gateway(*auth), await stack.gateway(*auth))
    deployment.owner = (await stack.sign_up(deployment.first.removesuffix("/api/v1")))["session"]["token"]
    bob = {"email": "bob@example.com", "name": "Bob", "role": "agent"}
    invited = await deployment.ask(f"{deployment.first}/users", "POST", deployment.owner, bob)
    accepting = {"token": invited["invite_token"], "password": PASSWORD}
    accepted = await deployment.ask(f"{deployment.first}/auth/invites/accept", "POST", "", accepting)
    deployment.agent_id = accepted["user"]["id"]
    return deployment


ENDINGS: dict[str, Callable[[Deployment, str], Awaitable[None]]] = {
    "revoked": Deployment.revoke,
    "all others revoked": Deployment.revoke_others,
    "the password changed": Deployment.change_password,
    "the user disabled": Deployment.disable,
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_session_ends_at_every_gateway(deployment: Deployment, ending: str) -> None:
    for _ in range(TIMES):
        token = await deployment.log_in()
        assert await deployment.statuses(token) == [200, 200]

        await ENDINGS[ending](deployment, token)

        assert await deployment.statuses(token) == [401, 401]
        if ending == "the user disabled":
            await deployment.change_agent(disabled=False)


async def test_a_role_changes_at_every_gateway(deployment: Deployment) -> None:
    token = await deployment.log_in()

    for _ in range(TIMES // 2):
        await deployment.change_agent(role="admin")
        assert await deployment.statuses(token, "/users") == [200, 200]
        await deployment.change_agent(role="agent")
        assert await deployment.statuses(token, "/users") == [403, 403]


async def test_a_trial_ends_at_every_gateway_on_time(stack: Any) -> None:
    async def done(_request: web.Request) -> web.StreamResponse:
        return web.Response()

    auth = [await stack.auth(trial_duration="5s") for _ in range(2)]
    behind = {"scheduler_urls": (await stack.service(done),)}
    gateways = [await stack.gateway(*auth, **behind) for _ in range(2)]

    async def live_through(number: int) -> None:
        signed_up = await stack.sign_up(gateways[number % 2], f"ann{number}@example.com")
        token, ends = signed_up["session"]["token"], datetime.fromisoformat(signed_up["tenant"]["trial_ends_at"])
        early = [await stack.status("POST", f"{gateway}/api/v1/reminders", token, json={}) for gateway in gateways]
        assert early == [200, 200] or datetime.now(UTC) >= ends

        await until(lambda: datetime.now(UTC) >= ends, within=30)

        late = [await stack.status("POST", f"{gateway}/api/v1/reminders", token, json={}) for gateway in gateways]
        assert late == [402, 402]
        assert await stack.status("GET", f"{gateways[0]}/api/v1/reminders", token) == 200

    await asyncio.gather(*(live_through(number) for number in range(TIMES)))
