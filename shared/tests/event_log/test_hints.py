"""Hints: events that reach the event log before the bus brings them."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from switchboard.contracts.envelope import Envelope
from switchboard.event_log import EventLogWriter, LogEntry
from switchboard.event_log import hints as hints_module
from switchboard.event_log.hints import EventHints, EventsBehind
from switchboard.event_log.writer import tenant_key
from switchboard.runtime.redis import open_redis

TENANT = UUID(int=1)
USER = UUID(int=11)


def event(sequence: int | None, phone: str = "+14155550100") -> Envelope:
    return Envelope(
        id=uuid7(),
        source="conversations",
        type="conversation.read",
        subject=f"conversation/{USER}/{phone}",
        time=datetime.now(UTC),
        data={"user_id": str(USER), "contact_phone": phone, "seq": sequence},
        tenant_id=TENANT,
        sequence=sequence,
    )


async def settled(hints: EventHints) -> None:
    while hints._sending is not None:
        await asyncio.sleep(0.005)


async def appended(redis: Redis) -> list[bytes]:
    found: Any = await redis.xrange(tenant_key(TENANT))
    return [fields[b"rest"].rsplit(b":", 1)[1] for _, fields in found]


async def test_numbered_events_are_appended_in_their_order(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        hints = EventHints(EventLogWriter(redis), enabled=True)
        for number in range(1, 30):
            hints.send([event(number), event(None)])
        await settled(hints)

        assert await appended(redis) == [b"%d}" % number for number in range(1, 30)]


async def test_an_event_whose_predecessor_is_missing_is_left_to_the_bus(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        hints = EventHints(EventLogWriter(redis), enabled=True)
        hints.send([event(1), event(3)])
        await settled(hints)

        assert await appended(redis) == [b"1}"]


async def test_disabled_hints_append_nothing(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        hints = EventHints(EventLogWriter(redis), enabled=False)
        hints.send([event(1)])
        await settled(hints)

        assert await appended(redis) == []


async def test_too_many_or_too_late_hints_mean_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()

    class SlowWriter:
        async def append(self, entries: list[LogEntry], *, in_order: bool) -> list[int]:
            await released.wait()
            return [1] * len(entries)

    hints = EventHints(SlowWriter(), enabled=True)  # type: ignore[arg-type]
    hints.check_busy()
    for number in range(1000):
        hints.send([event(number + 1)])
    with pytest.raises(EventsBehind):
        hints.check_busy()
    released.set()
    await settled(hints)
    hints.check_busy()

    released.clear()
    hints.send([event(1001)])
    await asyncio.sleep(0)
    monkeypatch.setattr(hints_module, "LATE_SECONDS", 0.0)
    with pytest.raises(EventsBehind):
        hints.check_busy()
    released.set()
    await settled(hints)


async def test_hints_pause_without_redis_and_resume(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints_module, "PAUSE_SECONDS", 0.0)
    async with open_redis("redis://127.0.0.1:1/0") as away, open_redis(redis_url) as redis:
        hints = EventHints(EventLogWriter(away), enabled=True)
        hints.send([event(1)])
        await settled(hints)
        hints.check_busy()
        hints._writer = EventLogWriter(redis)
        hints.send([event(1)])
        await settled(hints)

        assert await appended(redis) == [b"1}"]
