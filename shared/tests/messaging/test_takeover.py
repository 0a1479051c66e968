"""Partitions are balanced over instances, and taken over in order after a crash."""

import asyncio
import random
import signal
import sys
from dataclasses import replace

import pytest

from switchboard.contracts.conversations import ConversationRead
from switchboard.messaging.broker import membership
from switchboard.messaging.inbox import queue_watch
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.testing import becomes, until

from .fixtures import Messaging, read, record


async def test_a_new_instance_gets_a_share_of_the_partitions(
    messaging: Messaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(queue_watch, "WATCH_SECONDS", 0.5)
    handled_by: set[str] = set()

    def named(name: str) -> Messaging:
        async def handle(event: ConversationRead, work: Work) -> None:
            handled_by.add(name)
            await record(event, work)

        return replace(messaging, on_read=handle)

    async def both_have_worked() -> bool:
        await messaging.publish(*(read(1, f"+1415555{n:04}") for n in range(20)))
        return handled_by == {"early", "late"}

    async with named("early").instance("early"):
        await messaging.publish(read(1))
        await becomes(lambda: handled_by, {"early"})
        async with named("late").instance("late"):
            await until(both_have_worked, within=20)


@pytest.mark.timeout(300)
async def test_a_conversation_stays_in_order_while_consumers_are_killed(messaging: Messaging) -> None:
    """Three processes consume while one after another is killed."""
    dice = random.Random(7)
    workers = [await start_worker(messaging, n) for n in range(3)]
    try:
        for first in range(1, 1001, 50):
            await messaging.publish(*(read(seq) for seq in range(first, first + 50)))
            if first % 100 == 1:
                victim = dice.randrange(3)
                workers[victim].send_signal(signal.SIGKILL)
                await workers[victim].wait()
                workers[victim] = await start_worker(messaging, victim)
        await becomes(lambda: messaging.count("recorded"), 1000, within=150)
    finally:
        for worker in workers:
            worker.kill()
            await worker.wait()

    assert await messaging.recorded() == list(range(1, 1001))


async def start_worker(messaging: Messaging, number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.tests.messaging.worker",
        f"worker-{number}",
        messaging.database_url,
        messaging.amqp_url,
    )
