"""Long polling: `GET /api/v1/events`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from switchboard.testing import becomes, until

from .cluster import Cluster
from .fixtures import ANNA, BEN, headers_of, read_by, revoked

Ask = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
async def ask(cluster: Cluster) -> AsyncIterator[Ask]:
    """`ask(after=, limit=, wait=)` as Anna."""
    async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http:

        async def ask(**query: Any) -> Any:
            async with http.get("/api/v1/events", params=query) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        yield ask


def seqs(*pages: Any) -> list[int]:
    return [item["data"]["seq"] for page in pages for item in page["items"]]


async def test_the_same_events_are_listed_page_by_page(cluster: Cluster, ask: Ask) -> None:
    start = await ask()
    await cluster.append(*(read_by(user, seq) for seq in range(5) for user in (ANNA, BEN)))

    first = await ask(after=start["last_event_id"], limit=3)
    rest = await ask(after=first["last_event_id"])

    assert (start["items"], start["resumed"]) == ([], False)
    assert (seqs(first), seqs(rest)) == ([0, 1, 2], [3, 4])
    assert all(one["event_id"] < two["event_id"] for one, two in pairwise(first["items"] + rest["items"]))
    assert (rest["resumed"], set(rest["items"][0])) == (True, {"type", "id", "event_id", "time", "data"})


async def test_a_waiting_poll_is_woken_only_by_events_that_it_may_see(cluster: Cluster, ask: Ask) -> None:
    ben = await cluster.connect(BEN)
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(cluster.instances[0].members, 2)

    await ben.socket.call("typing", {"contact_phone": "+14155550100", "typing": True})
    await cluster.append(*(read_by(BEN, seq) for seq in range(20)))
    await until(lambda: len(ben.events) == 20)
    assert not waiting.done()
    await cluster.append(read_by(ANNA, 20))

    assert seqs(await waiting) == [20]


async def test_an_event_after_many_invisible_ones_is_found_at_once(cluster: Cluster, ask: Ask) -> None:
    start = await ask()
    await cluster.append(*(read_by(BEN, seq) for seq in range(1200)), read_by(ANNA, 1200))

    answer = await ask(after=start["last_event_id"], limit=10)

    assert seqs(answer) == [1200]


async def test_a_wait_without_events_returns_the_cursor_that_it_reached(cluster: Cluster, ask: Ask) -> None:
    start = await ask()
    await cluster.append(read_by(BEN, 1))

    answer = await ask(after=start["last_event_id"], wait=1)

    assert (answer["items"], answer["resumed"]) == ([], True)
    assert answer["last_event_id"] > start["last_event_id"]


@pytest.mark.parametrize("cursor", ["nonsense", "0123456789ab-1764000000000-0", "x-9999999999999999"])
async def test_a_cursor_that_the_log_doesnt_know_means_reload(cluster: Cluster, ask: Ask, cursor: str) -> None:
    answer = await ask(after=cursor, wait=25)

    assert (answer["items"], answer["resumed"]) == ([], False)
    await cluster.append(read_by(ANNA, 1))
    assert seqs(await ask(after=answer["last_event_id"], wait=5)) == [1]


async def test_a_waiting_poll_ends_when_the_session_is_revoked(cluster: Cluster, ask: Ask) -> None:
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(cluster.instances[0].members, 1)

    await cluster.append(revoked(ANNA))

    async with asyncio.timeout(10):
        assert (await waiting)["items"] == []


async def test_a_waiting_poll_ends_when_the_instance_drains(cluster: Cluster, ask: Ask) -> None:
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(cluster.instances[0].members, 1)

    cluster.instances[0].stop.set()

    async with asyncio.timeout(10):
        assert (await waiting)["items"] == []


async def test_a_cursor_beyond_all_positions_means_a_reload(cluster: Cluster) -> None:
    async with (
        aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http,
        http.get("/api/v1/events", params={"after": f"x-{2**70}"}) as answer,
    ):
        assert (answer.status, (await answer.json())["resumed"]) == (200, False)
