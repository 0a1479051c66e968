"""Messages in transit: relays that pause, queues that run empty, and what is left in them.

Once the relays pause and the queues are empty, only dead letters and messages that wait for their next attempt are in
the broker. These are read, returned, and published again at a restore.
"""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from aio_pika.abc import AbstractChannel

from switchboard.contracts.consumers import SUBSCRIPTIONS
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.broker.retry_policy import DEFAULT_RETRY_POLICY
from switchboard.messaging.broker.topology import declare_topology, delay_name
from switchboard.messaging.bus import RELAY_LEASE
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.postgres.database import Database
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.runtime.background import Stop, run_loops

DRAINED_WITHIN = 60.0
CHECKS = 5  # so often in a row the queues must be empty: a message that is being handled is in none
PAUSE_SECONDS = 0.3


class QueuesBusy(Exception):
    """Messages don't run out. The text says which."""


class ServicesRunning(Exception):
    """A service is connected that a restore would pull the data from under."""


@asynccontextmanager
async def paused_relays(databases: Sequence[Database]) -> AsyncIterator[None]:
    """No outbox relay publishes inside the block. Should this process be killed, they go on after some seconds."""
    leases = [LeaderLease(database, RELAY_LEASE, "backup") for database in databases]
    for lease in leases:
        await lease.seize()
    stop = Stop()
    keeping = asyncio.create_task(run_loops([lease.run for lease in leases], stop))
    try:
        await asyncio.sleep(max(lease.ttl for lease in leases))  # until the former leaders have noticed
        yield
    finally:
        stop.set()
        await keeping


def work_queues() -> list[str]:
    """The queues that services consume."""
    return [queue for subscription in SUBSCRIPTIONS for queue in subscription.queues()]


def waiting_queues() -> list[str]:
    """The queues of dead letters, and of messages that wait for their next attempt."""
    delays = [delay_name(delay) for delay in DEFAULT_RETRY_POLICY.delays]
    return [f"{subscription.queue}.dead" for subscription in SUBSCRIPTIONS] + delays


async def wait_until_drained(broker: Broker) -> None:
    """Return once all work queues have been empty for a moment. Raises `QueuesBusy`."""
    deadline, empty = monotonic() + DRAINED_WITHIN, 0
    while empty < CHECKS:
        async with broker.channel(confirms=False) as channel:
            await declare_topology(channel, SUBSCRIPTIONS)
            counts = {name: (await _count(channel, name))[0] for name in work_queues()}
        left = {name: count for name, count in counts.items() if count}
        empty = 0 if left else empty + 1
        if monotonic() > deadline:
            names = ", ".join(f"{name} ({count})" for name, count in left.items())
            raise QueuesBusy(f"messages wait and nobody handles them: {names}")
        await asyncio.sleep(PAUSE_SECONDS)


async def save_messages(broker: Broker, file: Path) -> int:
    """Write the messages of `waiting_queues` to a file, a line of JSON each, and return them to their queues."""
    saved = 0
    with gzip.open(file, "wt") as output:
        async with broker.channel(confirms=False) as channel:
            for name in waiting_queues():
                count, _ = await _count(channel, name)
                queue = await channel.get_queue(name, ensure=False)
                for _ in range(count):
                    message = await queue.get(fail=False, timeout=5)
                    if message is None:
                        break
                    line = {
                        "queue": name,
                        "routing_key": message.routing_key,
                        "type": message.type or "",
                        "content_type": message.content_type,
                        "headers": {key: value for key, value in message.headers.items() if _is_ours(key, value)},
                        "body": base64.b64encode(message.body).decode(),
                    }
                    output.write(json.dumps(line) + "\n")
                    saved += 1
    return saved


async def restore_messages(broker: Broker, file: Path) -> None:
    """Empty all queues, and publish the messages of a file to those that they came from."""
    async with broker.channel(confirms=False) as channel:
        await declare_topology(channel, SUBSCRIPTIONS)
        for name in (*work_queues(), *waiting_queues()):
            queue = await channel.get_queue(name, ensure=False)
            await queue.purge()
    async with broker.channel(confirms=True) as channel:
        confirming = ConfirmChannel(channel)
        for line in _lines(file):
            is_delay = not line["queue"].endswith(".dead")
            exchange, key = (line["queue"], line["routing_key"]) if is_delay else ("", line["queue"])
            body = base64.b64decode(line["body"])
            await confirming.publish(
                Publication(exchange, key, body, line["type"], line["headers"], content_type=line["content_type"])
            )


async def check_nobody_consumes(broker: Broker) -> None:
    """Raises `ServicesRunning` while a queue has a consumer."""
    async with broker.channel(confirms=False) as channel:
        await declare_topology(channel, SUBSCRIPTIONS)
        consumed = [name for name in work_queues() if (await _count(channel, name))[1]]
    if consumed:
        raise ServicesRunning(f"services consume {consumed[0]}: stop all services first")


async def _count(channel: AbstractChannel, name: str) -> tuple[int, int]:
    """The messages that are ready, and the consumers."""
    queue = await channel.declare_queue(name, passive=True)
    result = queue.declaration_result
    return result.message_count or 0, result.consumer_count or 0


def _is_ours(key: str, value: Any) -> bool:
    """Whether to keep a header: not those that the broker adds, such as `x-death`."""
    return isinstance(value, str | int | bool) and not key.startswith(("x-death", "x-first-", "x-last-", "x-delivery"))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rt") as source:
        for line in source:
            yield json.loads(line)
