"""A listener that counts the commands that the scheduler sends."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aio_pika

from switchboard.contracts.envelope import Envelope

BROKER_ERRORS = (aio_pika.exceptions.AMQPError, OSError, TimeoutError)
QUEUE = "test.heard"


@dataclass
class CommandListener:
    """Consumes every `reminder.fire` and `call.place`, and counts the deliveries of each command."""

    amqp_url: str
    deliveries: Counter[UUID] = field(default_factory=Counter)
    commands: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)
    repeated: list[UUID] = field(default_factory=list)  # delivered again, in this order

    async def listen(self) -> None:
        """Consume for ever, also after restarts of the broker. The queue is durable, so that no command is missed."""
        while True:
            try:
                await self._consume()
            except BROKER_ERRORS:
                await asyncio.sleep(0.2)

    async def declare(self) -> None:
        async with await aio_pika.connect(self.amqp_url) as connection:
            await self._queue(await connection.channel())

    @property
    def planned(self) -> list[str]:
        """The ids of reminders and calls, one for each command however often it was delivered."""
        return sorted(each.get("reminder_id") or each["call_id"] for each in self.commands.values())

    def due_at(self, command_id: UUID) -> datetime:
        command = self.commands[command_id]
        return datetime.fromisoformat(command.get("remind_at") or command["scheduled_at"])

    async def _queue(self, channel: Any) -> Any:
        commands = await channel.declare_exchange("switchboard.commands", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        for command in ("reminder.fire", "call.place"):
            await queue.bind(commands, command)
        return queue

    async def _consume(self) -> None:
        async with await aio_pika.connect(self.amqp_url, timeout=5) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=500)
            async with (await self._queue(channel)).iterator() as messages:
                async for message in messages:
                    envelope = Envelope.decode(message.body)
                    self.deliveries[envelope.id] += 1
                    if envelope.id in self.commands:
                        self.repeated.append(envelope.id)
                    self.commands[envelope.id] = envelope.data
                    due_at = self.due_at(envelope.id)
                    self.delays.append((datetime.now(UTC) - due_at).total_seconds())
                    await message.ack()


async def cancel_listening(listening: asyncio.Task[None]) -> None:
    """Cancel until it ends: aio-pika turns some cancellations into errors, after which the listener continues."""
    while not listening.done():
        listening.cancel()
        await asyncio.wait([listening], timeout=1)
