"""Clients without sockets: `GET /api/v1/events`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from switchboard.testing import becomes, until

from .test_hostile import members_of
from .world import ANNA, BEN, World, headers_of, read_by, revoked

Ask = Callable[..., Coroutine[Any, Any, Any]]


@pytest.fixture
async def ask(world: World) -> AsyncIterator[Ask]:
    """`ask(after=, limit=, wait=)` as Anna."""
    async with aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http:

        async def ask(**query: Any) -> Any:
            async with http.get("/api/v1/events", params=query) as answer:
                assert answer.status == 200, await answer.text()
                return await answer.json()

        yield ask


def seqs(*pages: Any) -> list[int]:
    return [item["data"]["seq"] for page in pages for item in page["items"]]


async def test_the_same_events_are_to_be_had_page_by_page(world: World, ask: Ask) -> None:
    start = await ask()
    await world.append(*(read_by(who, seq) for seq in range(5) for who in (ANNA, BEN)))

    first = await ask(after=start["last_event_id"], limit=3)
    rest = await ask(after=first["last_event_id"])

    assert (start["items"], start["resumed"]) == ([], False)
    assert (seqs(first), seqs(rest)) == ([0, 1, 2], [3, 4])
    assert all(one["event_id"] < two["event_id"] for one, two in pairwise(first["items"] + rest["items"]))
    assert (rest["resumed"], set(rest["items"][0])) == (True, {"type", "id", "event_id", "time", "data"})


async def test_who_waits_is_woken_by_what_it_may_see_and_by_nothing_else(world: World, ask: Ask) -> None:
    ben = await world.connect(BEN)
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(lambda: members_of(world), 2)

    await ben.socket.call("typing", {"contact_phone": "+14155550100", "typing": True})
    await world.append(*(read_by(BEN, seq) for seq in range(20)))
    await until(lambda: len(ben.events) == 20)
    assert not waiting.done()
    await world.append(read_by(ANNA, 20))

    assert seqs(await waiting) == [20]


async def test_what_lies_behind_many_events_of_others_is_found_at_once(world: World, ask: Ask) -> None:
    start = await ask()
    await world.append(*(read_by(BEN, seq) for seq in range(1200)), read_by(ANNA, 1200))

    answer = await ask(after=start["last_event_id"], limit=10)

    assert seqs(answer) == [1200]


async def test_a_wait_without_events_ends_with_how_far_it_looked(world: World, ask: Ask) -> None:
    start = await ask()
    await world.append(read_by(BEN, 1))

    answer = await ask(after=start["last_event_id"], wait=1)

    assert (answer["items"], answer["resumed"]) == ([], True)
    assert answer["last_event_id"] > start["last_event_id"]


@pytest.mark.parametrize("place", ["nonsense", "0123456789ab-1-0", "x-9999999999999-0"])
async def test_a_place_that_the_log_doesnt_know_means_reload(world: World, ask: Ask, place: str) -> None:
    answer = await ask(after=place, wait=25)

    assert (answer["items"], answer["resumed"]) == ([], False)
    await world.append(read_by(ANNA, 1))
    assert seqs(await ask(after=answer["last_event_id"], wait=5)) == [1]


async def test_who_waits_is_let_go_when_the_session_ends(world: World, ask: Ask) -> None:
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(lambda: members_of(world), 1)

    await world.append(revoked(ANNA))

    async with asyncio.timeout(10):
        assert (await waiting)["items"] == []


async def test_who_waits_is_let_go_when_the_instance_ends(world: World, ask: Ask) -> None:
    start = await ask()
    waiting = asyncio.create_task(ask(after=start["last_event_id"], wait=25))
    await becomes(lambda: members_of(world), 1)

    world.instances[0].stop.set()

    async with asyncio.timeout(10):
        assert (await waiting)["items"] == []
