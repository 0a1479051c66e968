"""Consumers while a server that they need is unavailable, or ends their transaction."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.bus import open_bus
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres import connection
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing import becomes, until

from .fixtures import (
    QUICK_RETRIES,
    REGISTRY,
    TENANT,
    Messaging,
    read,
    record,
    running,
    send_raw,
)


async def test_nothing_is_consumed_while_a_server_is_unavailable(messaging: Messaging) -> None:
    """Each return counts against the broker's delivery limit, which would dead-letter messages without a fault."""
    server = Flaky()
    subscriptions = Subscriptions("conversations", REGISTRY[:1])
    subscriptions.on_batch("ordered", server.take, server.check)
    async with (
        open_bus(messaging.amqp_url, service="conversations", registry=REGISTRY, retry_policy=QUICK_RETRIES) as bus,
        running(bus.consume(subscriptions, None), bus.relay(messaging.database)),
    ):
        await messaging.publish(*(read(seq) for seq in range(1, 301)))
        await until(lambda: server.checks >= 3, within=30)
        tries = server.tries
        server.is_unavailable = False
        await becomes(lambda: server.taken, list(range(1, 301)), within=20)

    assert tries == 1
    assert await messaging.dead_lettered() == []


async def test_a_read_only_database_counts_as_unavailable(messaging: Messaging) -> None:
    """A primary that became a standby still answers."""
    envelope = Envelope(
        id=uuid4(),
        source="conversations",
        type=ConversationRead.type,
        subject=read(1).subject,
        time=datetime.now(UTC),
        data=read(1).model_dump(mode="json"),
        tenant_id=TENANT,
    )
    async with messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
    await take_writes(messaging, False)
    with capture_logs() as logs:

        def waits(reason: str) -> int:
            return sum(reason in line["reason"] for line in logs if line["event"] == "consumer_waits")

        async with messaging.instance(relay=False):
            await send_raw(messaging, envelope.encode())
            await until(lambda: waits("takes no writes") >= 3)
            tries = waits("ReadOnlySQLTransactionError")
            await take_writes(messaging, True)

            async def recorded() -> list[int]:
                with suppress(Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError):
                    return await messaging.recorded()
                return []  # its connection of the pool was terminated as well

            await becomes(recorded, [1])

    assert tries == 1


async def take_writes(messaging: Messaging, enabled: bool) -> None:
    """Make the database take writes, or refuse them, and terminate its connections."""
    conn = await asyncpg.connect(messaging.database_url)
    name = await conn.fetchval("select current_database()")
    await conn.execute("set transaction_read_only = off")
    await conn.execute("set session characteristics as transaction read write")
    await conn.execute(f'alter database "{name}" set default_transaction_read_only = {"off" if enabled else "on"}')
    await conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    await conn.close()


class Flaky:
    """An effect that needs a server which may be unavailable."""

    def __init__(self) -> None:
        self.is_unavailable = True
        self.tries = self.checks = 0
        self.taken: list[int] = []

    async def take(self, envelopes: list[Envelope]) -> None:
        self.tries += 1
        if self.is_unavailable:
            raise Unavailable("the server is down")
        self.taken += [int(envelope.data["seq"]) for envelope in envelopes]

    async def check(self) -> None:
        self.checks += 1
        if self.is_unavailable:
            raise Unavailable("the server is still down")


async def test_a_message_blocked_by_a_lock_is_dead_lettered(messaging: Messaging) -> None:
    """The database is available: waiting for it would dead-letter the whole batch in the end."""

    async def lock_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            await work.conn.execute("set local lock_timeout = 20")
            await work.conn.execute("lock table taken")
        await record(event, work)

    messaging.on_read = lock_at_the_third
    async with messaging.database.connection() as conn:
        await conn.execute("create table taken ()")
    conn = await asyncpg.connect(messaging.database_url)
    async with messaging.instance(), conn.transaction():
        await conn.execute("lock table taken")
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.recorded, [1, 2, 4, 5])
        ((reason, attempts),) = await until(messaging.dead_lettered)
    await conn.close()

    assert (reason, attempts > 1) == ("DatabaseContended", True)


async def test_a_message_with_a_slow_statement_is_dead_lettered(messaging: Messaging) -> None:
    async def sleep_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            await work.conn.execute("set local statement_timeout = 20")
            await work.conn.execute("select pg_sleep(60)")
        await record(event, work)

    messaging.on_read = sleep_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.recorded, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.dead_lettered)

    assert reason == "DatabaseContended"


async def test_a_message_that_idles_in_its_transaction_is_dead_lettered(
    messaging: Messaging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_IN_TRANSACTION_SECONDS", 0.2)

    async def idle_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            await work.conn.execute("set local idle_in_transaction_session_timeout = 300")
            closed = asyncio.Event()
            work.conn.add_termination_listener(lambda _: closed.set())
            await closed.wait()
        await record(event, work)

    messaging.on_read = idle_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.recorded, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.dead_lettered)

    assert reason == "DatabaseContended"


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
async def test_a_time_out_of_the_handler_is_not_the_database_s(messaging: Messaging, error: type[Exception]) -> None:
    async def fail_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            raise error
        await record(event, work)

    messaging.on_read = fail_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.recorded, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.dead_lettered)

    assert reason == error.__name__
