"""The operator command that prints events."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from uuid import UUID

import aio_pika

from switchboard.contracts.consumers import SUBSCRIPTIONS
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import EVENTS
from switchboard.messaging.broker.topology import declare_topology

MINE, THEIRS = UUID(int=1), UUID(int=2)
AT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


async def publish(amqp_url: str, *events: tuple[str, UUID]) -> None:
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange(EVENTS)
        for n, (kind, tenant) in enumerate(events):
            envelope = Envelope(UUID(int=10 + n), "test", kind, f"subject-{n}", AT, {"n": n}, tenant)
            await exchange.publish(aio_pika.Message(envelope.encode()), f"{kind}.3", mandatory=False)


async def test_tail_prints_one_line_per_event_of_the_tenant_and_types(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        await declare_topology(channel, SUBSCRIPTIONS)
    words = ["events", "tail", "--tenant", str(MINE), "--type", "message", "--type", "call.ringing", "--count", "2"]
    tail = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "switchboard.cli.operator", *words),
        env={**os.environ, "AMQP_URL": amqp_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert tail.stderr is not None
        assert await tail.stderr.readline() == b"connecting to the broker\n"
        assert (await tail.stderr.readline()).startswith(b"listening")
        await publish(
            amqp_url,
            ("call.completed", MINE),
            ("message.appended", THEIRS),
            ("message.appended", MINE),
            ("contact.created", MINE),
            ("call.ringing", MINE),
        )
        printed, errors = await tail.communicate()
    finally:
        if tail.returncode is None:
            tail.kill()
            await tail.wait()

    assert printed.decode().splitlines() == [
        f'2026-01-02T03:04:05.678Z message.appended {MINE} subject-2 {{"n":2}}',
        f'2026-01-02T03:04:05.678Z call.ringing {MINE} subject-4 {{"n":4}}',
    ]
    assert (tail.returncode, errors) == (0, b"")
