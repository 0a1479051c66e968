"""Clients cut at random, instances killed in turn, Redis killed once: no gap, no duplicate, or an explicit reload."""

import asyncio
import os
import random
import signal
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from switchboard.client import LiveClient, LiveEvent
from switchboard.contracts.conversations import ConversationRead
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.messaging.outbox.rows import row_of
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing import until

from .processes import AUTH_TENANT, Process, permissive_auth, private_redis, realtime

USERS = [UUID(int=1000 + n) for n in range(20)]
CLIENTS = int(os.environ.get("CHAOS_CLIENTS", "200"))
EVENTS_EACH = 1000
PAUSE = 0.04  # seconds between two events of a user


class RecordingClient:
    """A client that disconnects at random. `stretches`: the events that it received, a new list after each reload."""

    def __init__(self, user: UUID, urls: list[str]) -> None:
        self.user = user
        self.urls = urls
        self.stretches: list[list[int]] = []
        self.last_event_id: str | None = None

    async def receive(self, event: LiveEvent) -> None:
        self.stretches[-1].append(event.data["seq"])

    async def reload(self) -> None:
        self.stretches.append([])

    async def watch(self, done: asyncio.Event) -> None:
        """Connect and disconnect at random until all is published; then stay connected to the end."""
        while True:
            async with self._live() as live:
                if done.is_set():
                    await until(lambda: self.stretches and self.stretches[-1][-1:] == [EVENTS_EACH - 1], within=60)
                    return
                await asyncio.sleep(random.uniform(0.5, 8))
            self.last_event_id = live.last_event_id
            await asyncio.sleep(random.uniform(0.1, 10) if not done.is_set() else 0)

    def _live(self) -> LiveClient:
        return LiveClient(
            random.sample(self.urls, len(self.urls)),
            str(self.user),
            on_event=self.receive,
            on_reload=self.reload,
            last_event_id=self.last_event_id,
        )


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_each_client_gets_each_event_once_in_order_or_reloads(product_amqp_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(permissive_auth())
        redis, redis_url = await stack.enter_async_context(private_redis(tmp_path))
        environment = {
            "AMQP_URL": product_amqp_url,
            "REDIS_URL": redis_url,
            "AUTH_URLS": auth,
            "LOG_MAX_ENTRIES": "100000",
        }
        instances = [
            await stack.enter_async_context(realtime(tmp_path, f"realtime-{n}", **environment)) for n in (1, 2)
        ]
        urls = [url for _, url in instances]
        clients = [RecordingClient(user, urls) for user in USERS for _ in range(CLIENTS // len(USERS))]
        done = asyncio.Event()
        watching = [asyncio.create_task(client.watch(done)) for client in clients]
        await until(lambda: all(client.stretches for client in clients), within=60)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(kill_in_turn([process for process, _ in instances], redis, done))
            await publish_all(product_amqp_url)
            done.set()
        await asyncio.gather(*watching)

    for client in clients:
        for stretch in client.stretches:
            assert all(after == before + 1 for before, after in pairwise(stretch)), stretch
    received = sum(len(stretch) for client in clients for stretch in client.stretches)
    assert received > 0.5 * len(clients) * EVENTS_EACH
    assert max(len(client.stretches) for client in clients) <= 2  # Redis was lost once, and nothing else


async def publish_all(product_amqp_url: str) -> None:
    """Publish the events of all users concurrently, those of one user in order."""
    broker = Broker(product_amqp_url, "test")
    async with asyncio.TaskGroup() as tasks:
        for user in USERS:
            tasks.create_task(publish(broker, user))
    await broker.close()


async def publish(broker: Broker, user: UUID) -> None:
    """Publish as the outbox relay: an unconfirmed event is sent again with the same id before the next one."""
    rows = [
        row_of(
            ConversationRead(user_id=user, contact_phone="+14155550100", seq=seq), source="test", tenant_id=AUTH_TENANT
        )
        for seq in range(EVENTS_EACH)
    ]
    while rows:
        try:
            async with broker.channel(confirms=True) as opened:
                channel = ConfirmChannel(opened)
                while rows:
                    row = rows[0]
                    await channel.publish(Publication(row.exchange, row.routing_key, row.body, row.type))
                    rows.pop(0)
                    await asyncio.sleep(PAUSE)
        except Unavailable:
            await asyncio.sleep(0.5)


async def kill_in_turn(instances: list[Process], redis: Process, done: asyncio.Event) -> None:
    turn = 0
    while not done.is_set():
        await asyncio.sleep(5)
        victim = redis if turn == 3 else instances[turn % 2]
        await victim.end(signal.SIGKILL)
        await asyncio.sleep(0.5)
        await victim.start()
        turn += 1
