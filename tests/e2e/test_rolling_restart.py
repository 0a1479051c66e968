"""A rolling restart of every process under load, without failed requests or lost messages."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import aiohttp
import pytest

from switchboard.client import LiveClient, LiveEvent
from switchboard.local.status import StatusRow
from switchboard.testing import becomes, until
from switchboard.testing.stack import RunningStack

from .client import User
from .test_restarts import restart

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600)]

PHONE = "+14155550100"


@dataclass
class Work:
    """The load's state: `gateways` in the balancer, acknowledged messages (`said`), failures, events (`heard`)."""

    gateways: set[int]
    said: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)


@asynccontextmanager
async def working(user: User, at_once: int = 4) -> AsyncIterator[Work]:
    """Write and read messages at all gateways, without retries, while a client listens."""
    work, ending, turn = Work(set(range(len(user.gateways)))), asyncio.Event(), itertools.count()

    async def ask(method: str, path: str, body: object, expected: int) -> bool:
        gateway = sorted(work.gateways)[next(turn) % len(work.gateways)]
        try:
            answer = await user.ask(method, path, body, gateway=gateway, key=str(uuid4()))
        except aiohttp.ClientError as cut:
            work.failures.append(f"{method} {path}: {cut!r}")
            return False
        if answer.status != expected:
            work.failures.append(f"{method} {path}: {answer.status} {answer.body}")
        return answer.status == expected

    async def write_and_read() -> None:
        while not ending.is_set():
            text = f"message {next(turn)}"
            if await ask("POST", f"/conversations/{PHONE}/messages", {"body": text}, 201):
                work.said.append(text)
            for path in ("/auth/me", "/reminders", "/files?entity_type=lead&entity_id=1"):
                await ask("GET", path, None, 200)

    async def hear(event: LiveEvent) -> None:
        if event.type == "conversation.message_appended":
            work.heard.append(event.data["message"]["body"])

    async def reload() -> None: ...

    async with LiveClient(user.gateways, user.token, on_event=hear, on_reload=reload) as live:
        await asyncio.wait_for(live.connected.wait(), 60)
        workers = [asyncio.create_task(write_and_read()) for _ in range(at_once)]
        try:
            yield work
        finally:
            ending.set()
            await asyncio.gather(*workers)
        await becomes(lambda: Counter(work.heard), Counter(work.said), within=60)


async def restart_all(stack: RunningStack, rows: Iterable[StatusRow], work: Work) -> None:
    for row in rows:
        is_gateway = row.service == "api-gateway"
        if is_gateway:  # a balancer removes a draining gateway
            work.gateways.discard(int(row.instance[-1]) - 1)
        done = len(work.said)
        await restart(stack, row.instance)
        if is_gateway:
            work.gateways.add(int(row.instance[-1]) - 1)
        await until(lambda done=done: len(work.said) > done + 5, within=60)


async def assert_all_is_there(user: User, work: Work) -> None:
    assert work.failures == []
    messages = await user.messages(PHONE)
    assert Counter(message["body"] for message in messages) == Counter(work.said)
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))


async def test_an_instance_of_conversations_restarts_without_failures(stack: RunningStack, anna: User) -> None:
    async with working(anna) as work:
        await restart_all(stack, stack.instances("conversations")[:1], work)

    await assert_all_is_there(anna, work)


@pytest.mark.slow
async def test_every_service_restarts_without_failures(stack: RunningStack, anna: User) -> None:
    ours = [row for row in stack.instances() if row.instance.endswith(("-1", "-2"))]
    async with working(anna) as work:
        await restart_all(stack, ours, work)

    assert len(ours) == 12
    await assert_all_is_there(anna, work)
