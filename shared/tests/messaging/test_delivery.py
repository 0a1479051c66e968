"""What happens to a message, from the commit that wrote it to the commit of its effect."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aio_pika
import asyncpg
import pytest
from structlog.testing import capture_logs

from switchboard.contracts.auth import TrialSweep
from switchboard.contracts.conversations import ConversationRead
from switchboard.contracts.envelope import Envelope
from switchboard.messaging.broker.routing import COMMANDS, EVENTS, routing_key
from switchboard.messaging.broker.topology import declare_topology
from switchboard.messaging.bus import open_bus
from switchboard.messaging.inbox.pruning import prune
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.operators.dead_letters import DeadLetter, DeadLetters
from switchboard.messaging.outbox.rows import INSERT_INTO_OUTBOX
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.runtime.unavailable import Unavailable
from switchboard.testing import becomes, until

from .story import NEWER_REGISTRY, ORDERED, QUICK, REGISTRY, TENANT, UNORDERED, Messaging, cleared, note, read, running


async def send_raw(messaging: Messaging, body: bytes, *, exchange: str = EVENTS) -> None:
    """As a stranger would: past the outbox."""
    key = TrialSweep.type if exchange == COMMANDS else routing_key(read(0), TENANT)
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel(on_return_raises=True) as channel:
        target = await channel.get_exchange(exchange)
        await target.publish(aio_pika.Message(body, delivery_mode=2, type="conversation.read"), key)


async def two(letters: DeadLetters) -> list[DeadLetter]:
    found = await letters.find()
    return found if len(found) == 2 else []


async def publish_and_fail(messaging: Messaging) -> None:
    async with open_work(messaging.database, tenant_id=TENANT) as work:
        await work.publish(read(1))
        raise ZeroDivisionError


async def test_what_is_committed_takes_effect_in_order(messaging: Messaging) -> None:
    async with messaging.instance():
        for first in range(1, 201, 20):
            await messaging.publish(*(read(seq) for seq in range(first, first + 20)))

        await becomes(lambda: messaging.count("noted"), 200)

    assert await messaging.noted() == list(range(1, 201))
    assert await messaging.count("outbox") == 0


async def test_what_is_rolled_back_is_never_sent(messaging: Messaging) -> None:
    async with messaging.instance():
        with pytest.raises(ZeroDivisionError):
            await publish_and_fail(messaging)
        await messaging.publish(read(2))

        await becomes(lambda: messaging.count("noted"), 1)

    assert await messaging.noted() == [2]


async def test_what_was_published_before_the_first_consumer_waits_for_it(messaging: Messaging) -> None:
    await messaging.publish(read(1), TrialSweep())
    async with messaging.instance():
        await becomes(lambda: messaging.count("noted"), 2)


async def test_a_message_sent_twice_takes_effect_once(messaging: Messaging) -> None:
    await messaging.publish(read(1))
    async with messaging.database.connection() as conn:
        await conn.execute(
            f"{INSERT_INTO_OUTBOX} select event_id, exchange, routing_key, type, subject, body from outbox"
        )

    async with messaging.instance():
        await messaging.publish(read(2))
        await becomes(messaging.noted, [1, 2])


async def test_a_message_of_broken_json_is_parked_and_healthy_ones_go_on(messaging: Messaging) -> None:
    async with messaging.instance():
        await messaging.publish(read(1))
        await becomes(messaging.noted, [1])

        await send_raw(messaging, b"{not json")
        await messaging.publish(read(2))

        await becomes(messaging.noted, [1, 2])
        await becomes(messaging.parked, [("Unreadable", 1)])


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_message_of_a_wrong_schema_is_parked_and_healthy_ones_go_on(messaging: Messaging) -> None:
    async with messaging.instance():
        wrong = read(7).model_copy(update={"seq": "seven"})
        await messaging.publish(wrong, read(8))

        await becomes(messaging.noted, [8])
        await becomes(messaging.parked, [("ValidationError", 1)])


async def declare_newer(messaging: Messaging) -> None:
    """As the publisher's newer release does before it publishes."""
    connection = await aio_pika.connect(messaging.amqp_url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, NEWER_REGISTRY, QUICK)


async def test_a_type_that_an_older_instance_does_not_know_waits_for_a_newer_one(messaging: Messaging) -> None:
    """It is the older one's place, which waits in vain and then steps behind the newer one."""
    messaging.retry_policy = replace(QUICK, in_place=timedelta(seconds=30))
    await declare_newer(messaging)
    async with messaging.instance():
        await messaging.publish(read(1), cleared(2), read(3))
        await becomes(messaging.noted, [1])

        async with messaging.instance("conversations-2", relay=False, newer=True):
            await becomes(messaging.noted, [1, 2, 3])

    assert await messaging.parked() == []


async def test_a_type_that_nobody_knows_is_parked_in_the_end_and_later_ones_of_its_subject_go_on(
    messaging: Messaging,
) -> None:
    await declare_newer(messaging)
    async with messaging.instance(), messaging.instance("conversations-2"):
        await messaging.publish(read(1), cleared(2), read(3))

        await becomes(messaging.noted, [1, 3])
        ((reason, attempts),) = await until(messaging.parked)

    assert (reason, attempts > 2) == ("Unhandled", True)


async def test_a_type_that_is_not_known_where_order_does_not_matter_is_put_off_and_parked_in_the_end(
    messaging: Messaging,
) -> None:
    unknown = Envelope(
        id=uuid4(), source="auth", type="trial.other", subject="trial", time=datetime.now(UTC), data={}, tenant_id=None
    )
    async with messaging.instance():
        await messaging.publish(TrialSweep())
        await becomes(lambda: messaging.count("noted"), 1)

        await send_raw(messaging, unknown.encode(), exchange=COMMANDS)

        await becomes(messaging.parked, [("Unhandled", 1 + len(QUICK.delays))])


async def test_a_message_that_always_fails_is_parked_and_later_ones_of_its_subject_go_on(messaging: Messaging) -> None:
    async def refuse_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            raise ZeroDivisionError
        await note(event, work)

    messaging.on_read = refuse_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.noted, [1, 2, 4, 5])
        async with messaging.dead_letters() as letters:
            (letter,) = await until(letters.find)

    assert (letter.reason, letter.subscription) == ("builtins.ZeroDivisionError", ORDERED.queue)
    assert letter.attempts > 1
    assert "instance" in letter.handler


async def test_a_failing_message_holds_up_its_own_partition_alone(messaging: Messaging) -> None:
    stuck = asyncio.Event()

    async def wait_on_the_first(event: ConversationRead, work: Work) -> None:
        if event.contact_phone == "+14155550100":
            stuck.set()
            raise ZeroDivisionError
        await note(event, work)

    messaging.on_read = wait_on_the_first
    others = [f"+1415555{n:04}" for n in range(101, 141)]
    async with messaging.instance():
        await messaging.publish(read(1))
        await stuck.wait()
        await messaging.publish(*(read(1, phone) for phone in others))

        await becomes(lambda: messaging.count("noted"), len(others))


async def test_an_unordered_message_that_fails_at_first_comes_back_after_a_pause(messaging: Messaging) -> None:
    tries = 0

    async def fail_twice(_: TrialSweep, work: Work) -> None:
        nonlocal tries
        tries += 1
        if tries <= 4:  # each delivery is tried with its batch and alone
            raise ZeroDivisionError
        await work.conn.execute("insert into noted (subject, seq) values ('sweep', 1)")

    messaging.on_sweep = fail_twice
    async with messaging.instance():
        await messaging.publish(TrialSweep())

        await becomes(lambda: messaging.count("noted"), 1)

    assert await messaging.parked() == []


async def test_an_unordered_message_that_always_fails_is_parked_after_the_last_pause(messaging: Messaging) -> None:
    async def fail(_: TrialSweep, work: Work) -> None:
        raise ZeroDivisionError

    messaging.on_sweep = fail
    async with messaging.instance():
        await messaging.publish(TrialSweep())

        await becomes(messaging.parked, [("ZeroDivisionError", 3)])


async def test_a_replayed_message_takes_effect_once_its_handler_is_mended(messaging: Messaging) -> None:
    async def fail(event: ConversationRead, work: Work) -> None:
        raise ZeroDivisionError

    messaging.on_read = fail
    async with messaging.instance(), messaging.dead_letters() as letters:
        await messaging.publish(read(1))
        await until(messaging.parked)
        messaging.on_read = note

        assert await letters.replay(ORDERED.queue) == 1

        await becomes(messaging.noted, [1])
        assert await letters.counts() == {ORDERED.queue: 0, UNORDERED.queue: 0}


async def test_discarding_one_dead_letter_leaves_the_others(messaging: Messaging) -> None:
    async with messaging.instance(), messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
        await send_raw(messaging, b"{one")
        await send_raw(messaging, b"{two")
        first, second = await until(lambda: two(letters))

        assert await letters.discard(ORDERED.queue, id=first.id) == 1

        assert [letter.body for letter in await letters.find()] == [second.body]


async def test_a_message_goes_only_to_its_own_subscription_when_replayed(messaging: Messaging) -> None:
    async with messaging.instance(), messaging.dead_letters() as letters:
        await letters.counts()  # declares the queues
        await send_raw(messaging, b"{broken", exchange=COMMANDS)
        await until(messaging.parked)

        await letters.replay(UNORDERED.queue)

        await becomes(letters.counts, {ORDERED.queue: 0, UNORDERED.queue: 1})


async def test_the_inbox_forgets_after_thirty_days_and_not_before(messaging: Messaging) -> None:
    async with messaging.database.connection() as conn:
        await conn.execute(
            "insert into inbox (subscription, event_id, handled_at)"
            " select 'ordered', gen_random_uuid(), clock_timestamp() - make_interval(days => age)"
            " from unnest(array[29, 31, 40]) age"
        )

        assert await prune(conn) == 2

    assert await messaging.count("inbox") == 1


async def test_while_a_server_is_away_nothing_is_taken_from_the_queue_again_and_again(messaging: Messaging) -> None:
    """Each return would count against the broker's delivery limit, and in the end park what nobody can help."""
    server = Flaky()
    subscriptions = Subscriptions("conversations", REGISTRY[:1])
    subscriptions.on_batch("ordered", server.take, server.check)
    async with (
        open_bus(messaging.amqp_url, service="conversations", registry=REGISTRY, retry_policy=QUICK) as bus,
        running(bus.consume(subscriptions, None), bus.relay(messaging.database)),
    ):
        await messaging.publish(*(read(seq) for seq in range(1, 301)))
        await until(lambda: server.checks >= 3, within=30)
        tries = server.tries
        server.is_unavailable = False
        await becomes(lambda: server.taken, list(range(1, 301)), within=20)

    assert tries == 1
    assert await messaging.parked() == []


async def test_a_database_that_takes_no_writes_is_away_until_it_does(messaging: Messaging) -> None:
    """A primary that became a standby answers all the same."""
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

            async def noted() -> list[int]:
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                    return await messaging.noted()
                return []  # over a connection of the pool that was ended as well

            await becomes(noted, [1])

    assert tries == 1


async def take_writes(messaging: Messaging, may: bool) -> None:
    """Whether the database will, from its next connections on: there are no others."""
    connection = await asyncpg.connect(messaging.database_url)
    name = await connection.fetchval("select current_database()")
    await connection.execute("set transaction_read_only = off")
    await connection.execute("set session characteristics as transaction read write")
    await connection.execute(f'alter database "{name}" set default_transaction_read_only = {"off" if may else "on"}')
    await connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    await connection.close()


class Flaky:
    """A server that an effect needs."""

    def __init__(self) -> None:
        self.is_unavailable = True
        self.tries = self.checks = 0
        self.taken: list[int] = []

    async def take(self, envelopes: list[Envelope]) -> None:
        self.tries += 1
        if self.is_unavailable:
            raise Unavailable("away")
        self.taken += [int(envelope.data["seq"]) for envelope in envelopes]

    async def check(self) -> None:
        self.checks += 1
        if self.is_unavailable:
            raise Unavailable("still away")


async def test_a_message_that_always_meets_a_lock_is_parked_and_others_go_on(messaging: Messaging) -> None:
    """The database is there: waiting for it would send the whole batch to the dead letters in the end."""

    async def lock_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            await work.conn.execute("set local lock_timeout = 20")
            await work.conn.execute("lock table taken")
        await note(event, work)

    messaging.on_read = lock_at_the_third
    async with messaging.database.connection() as conn:
        await conn.execute("create table taken ()")
    connection = await asyncpg.connect(messaging.database_url)
    async with messaging.instance(), connection.transaction():
        await connection.execute("lock table taken")
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.noted, [1, 2, 4, 5])
        ((reason, attempts),) = await until(messaging.parked)
    await connection.close()

    assert (reason, attempts > 1) == ("DatabaseContended", True)


async def test_a_message_whose_statement_takes_too_long_is_parked_and_others_go_on(messaging: Messaging) -> None:
    async def dawdle_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            await work.conn.execute("set local statement_timeout = 20")
            await work.conn.execute("select pg_sleep(60)")
        await note(event, work)

    messaging.on_read = dawdle_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.noted, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.parked)

    assert reason == "DatabaseContended"


async def test_a_message_that_idles_in_its_transaction_is_parked_and_others_go_on(messaging: Messaging) -> None:
    async def idle_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            closed = asyncio.Event()
            work.conn.add_termination_listener(lambda _: closed.set())
            await closed.wait()
        await note(event, work)

    messaging.on_read = idle_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.noted, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.parked)

    assert reason == "DatabaseContended"


@pytest.mark.parametrize("error", [TimeoutError, ConnectionResetError])
async def test_a_handler_s_own_time_out_is_not_the_database_s(messaging: Messaging, error: type[Exception]) -> None:
    async def fail_at_the_third(event: ConversationRead, work: Work) -> None:
        if event.seq == 3:
            raise error
        await note(event, work)

    messaging.on_read = fail_at_the_third
    async with messaging.instance():
        await messaging.publish(*(read(seq) for seq in range(1, 6)))

        await becomes(messaging.noted, [1, 2, 4, 5])
        ((reason, _),) = await until(messaging.parked)

    assert reason == error.__name__
