"""Messages through every service: posted at either gateway, stored once, delivered once to each client of the user."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from switchboard.testing import becomes
from switchboard.testing.stack import RunningStack

from .client import Listener, User, listening
from .conftest import all_healthy
from .times import in_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

PHONE = "+14155550100"
APPENDED = "conversation.message_appended"


async def say_all(user: User, texts: list[str], at_once: int = 16) -> None:
    """Post the texts, `at_once` requests at a time, at the gateways in turn."""
    waiting = iter(texts)

    async def one_after_another() -> None:
        for text in waiting:
            await user.say(PHONE, text)

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))


def seqs(listener: Listener) -> list[int]:
    return [event["message"]["seq"] for event in listener.of(APPENDED)]


async def test_each_message_is_seen_once_in_order_by_its_user_alone(
    stack: RunningStack, anna: User, stranger: User
) -> None:
    async with (
        listening(anna, 0, ["websocket"]) as first,
        listening(anna, 1, ["polling", "websocket"]) as second,
        listening(stranger, 0, ["websocket"]) as other,
    ):
        await say_all(anna, [f"message {n}" for n in range(200)])

        await becomes(lambda: seqs(first), list(range(1, 201)), within=90)
        await becomes(lambda: seqs(second), list(range(1, 201)), within=90)

    assert other.of(APPENDED) == []
    assert sorted(message["body"] for message in await anna.messages(PHONE)) == sorted(
        f"message {n}" for n in range(200)
    )


async def post_while(anna: User, fault: Callable[[], Awaitable[None]], texts: list[str]) -> None:
    """Post the texts, and inject the fault after the first third."""
    third = len(texts) // 3
    await say_all(anna, texts[:third])
    rest = asyncio.create_task(say_all(anna, texts[third:]))
    await fault()
    await rest


async def assert_each_is_there_once(anna: User, texts: list[str]) -> None:
    messages = await anna.messages(PHONE)
    assert Counter(message["body"] for message in messages) == Counter(texts)
    assert [message["seq"] for message in messages] == list(range(1, len(texts) + 1))


@pytest.mark.parametrize(
    "service",
    [
        "api-gateway",
        "conversations",
        "realtime",
        *(pytest.param(service, marks=pytest.mark.slow) for service in ("auth", "scheduler", "files")),
    ],
)
async def test_a_killed_process_loses_and_doubles_nothing(stack: RunningStack, anna: User, service: str) -> None:
    """Kill both instances of the service in turn, so that one of them is the leader."""
    texts = [f"{service} {n}" for n in range(150)]

    async def kill_both() -> None:
        for instance in (f"{service}-1", f"{service}-2"):
            stack.kill(instance)
            await becomes(lambda instance=instance: stack.is_healthy(instance), True, within=120)

    async with listening(anna, 0, ["websocket"]) as listener:
        await post_while(anna, kill_both, texts)

        await assert_each_is_there_once(anna, texts)
        await becomes(lambda: seqs(listener), list(range(1, len(texts) + 1)), within=90)
    await all_healthy(stack)


@pytest.mark.parametrize("server", ["rabbitmq", "postgres", "redis"])
async def test_a_restarted_server_loses_and_doubles_nothing(stack: RunningStack, anna: User, server: str) -> None:
    texts = [f"{server} {n}" for n in range(150)]

    async def restart() -> None:
        stack.restart_server(server)
        await becomes(lambda: stack.is_healthy(server), True, within=120)

    await post_while(anna, restart, texts)

    await assert_each_is_there_once(anna, texts)
    for refusal in anna.refused:
        assert refusal.status == 503 or (refusal.status, refusal.body["code"]) == (409, "in_progress"), refusal
        assert refusal.body["title"], refusal  # a problem document
    await all_healthy(stack)
    async with listening(anna, random.randrange(2), ["websocket"]) as listener:
        await anna.say(PHONE, "everything works again")
        last = len(texts) + 1
        await becomes(lambda: seqs(listener)[-1:], [last], within=60)

        heard = seqs(listener)  # the delayed messages came first
        assert heard == list(range(heard[0], last + 1))


@pytest.mark.parametrize("identity", [None, "eyJhbGciOiJub25lIn0.e30."])
async def test_services_refuse_a_request_without_a_valid_identity(stack: RunningStack, identity: str | None) -> None:
    lists = {
        "auth": "users",
        "files": "files?entity_type=lead&entity_id=1",
        "conversations": "conversations",
        "scheduler": "reminders",
        "realtime": "events",
    }
    headers = {"X-Switchboard-Identity": identity} if identity else {}
    refused = []
    async with aiohttp.ClientSession() as http:
        for row in stack.instances():
            if path := lists.get(row.service):
                async with http.get(f"http://127.0.0.1:{row.port}/api/v1/{path}", headers=headers) as answer:
                    refused.append((row.service, answer.status, (await answer.json())["code"]))

    assert refused == [(service, 401, "unauthenticated") for service in lists for _ in range(2)]


async def test_a_reminder_that_is_due_becomes_one_notification(anna: User) -> None:
    async with listening(anna, 1, ["websocket"]) as listener:
        soon = await anna.make("/reminders", {"lead_id": "lead-1", "note": "call back", "remind_at": in_seconds(2)})

        await becomes(lambda: [event["subject_id"] for event in listener.of("notification.created")], [soon["id"]])

    answer = await anna.ask("GET", "/notifications")
    assert [item["subject_id"] for item in answer.body["items"]] == [soon["id"]]
    assert answer.body["items"][0]["title"].removesuffix(" (late)") == "Reminder: lead-1"
