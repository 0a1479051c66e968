"""What ends a session or takes a right away at one gateway holds at the other in the very next request: 100 times."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from switchboard.testing.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TIMES = 100
PASSWORD = "correct horse"  # of those whom `sign_up` makes
OTHER_PASSWORD = "battery staple"


class Story:
    """Two gateways before two instances of auth; an agent, and the owner who may change what the agent may do."""

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
async def story(stack: Any) -> Story:
    auth = await stack.auth(), await stack.auth()
    story = Story(stack, await stack.gateway(*auth), await stack.gateway(*auth))
    story.owner = (await stack.sign_up(story.first.removesuffix("/api/v1")))["session"]["token"]
    bob = {"email": "bob@example.com", "name": "Bob", "role": "agent"}
    invited = await story.ask(f"{story.first}/users", "POST", story.owner, bob)
    accepting = {"token": invited["invite_token"], "password": PASSWORD}
    accepted = await story.ask(f"{story.first}/auth/invites/accept", "POST", "", accepting)
    story.agent_id = accepted["user"]["id"]
    return story


WAYS: dict[str, Callable[[Story, str], Awaitable[None]]] = {
    "revoked": Story.revoke,
    "all others revoked": Story.revoke_others,
    "the password changed": Story.change_password,
    "the user disabled": Story.disable,
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_session_is_over_everywhere(story: Story, way: str) -> None:
    for _ in range(TIMES):
        token = await story.log_in()
        assert await story.statuses(token) == [200, 200]

        await WAYS[way](story, token)

        assert await story.statuses(token) == [401, 401]
        if way == "the user disabled":
            await story.change_agent(disabled=False)


async def test_a_role_is_another_everywhere(story: Story) -> None:
    token = await story.log_in()

    for _ in range(TIMES // 2):
        await story.change_agent(role="admin")
        assert await story.statuses(token, "/users") == [200, 200]
        await story.change_agent(role="agent")
        assert await story.statuses(token, "/users") == [403, 403]


async def test_a_trial_is_over_everywhere_at_its_very_end(stack: Any) -> None:
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
