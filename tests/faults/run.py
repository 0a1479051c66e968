"""A fault run: users at work, things going wrong, and the books closed at the end."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp

from switchboard.testing import until
from tests.e2e.client import User, member, signed_up

from .faults import Fault, FaultInjector
from .ledger import Balance, table
from .load import Pace, Worker, listening, summed
from .testbed import Testbed

FLOWS_WITHIN = 240.0  # seconds after a trouble, on a machine that is busy with other things; longer is a failure
BALANCED_WITHIN = 120.0
SETTLED_SECONDS = 5.0
"""Before the first trouble. RabbitMQ notes a new queue a moment later: killed before that (3.10), it comes back with a
queue that has no leader, see `docs/operating.md`. That is the beginning of a broker, not of a run."""
LEAST_TROUBLES = 2  # of a run that the first one alone would fill, on a slow machine
STEP_SECONDS = 3.0  # that one step of the user who tries everything may take, to count as flowing

Tell = Callable[[str], None]


@dataclass
class Report:
    """What came of it."""

    seed: int
    seconds: float
    balances: dict[str, Balance] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)  # by kind of trouble: seconds until all flowed again
    faults: list[str] = field(default_factory=list)
    dead_letters: int = 0
    reloads: int = 0

    @property
    def is_good(self) -> bool:
        return not self.dead_letters and all(balance.is_good for balance in self.balances.values())

    def __str__(self) -> str:
        rows = [f"| {kind} | {seconds:.1f} |" for kind, seconds in sorted(self.longest.items())]
        return "\n".join(
            [
                f"seed {self.seed}, {self.seconds:.0f} s, {len(self.faults)} troubles, "
                f"{self.reloads} reloads of clients, {self.dead_letters} dead letters",
                "",
                table(self.balances),
                "",
                "| after | seconds until all flowed again, at most |",
                "|---|---|",
                *rows,
            ]
        )


async def fault_run(
    testbed: Testbed,
    *,
    seconds: float,
    seed: int,
    tell: Tell,
    users: int = 4,
    calm: bool = False,
    balanced_within: float = BALANCED_WITHIN,
) -> Report:
    """Raises when the product doesn't come back at all; else the report says how good it was.

    `calm`: the users work, and nothing is done to the product. What is not there after `balanced_within` is lost.
    """
    report = Report(seed, seconds)
    pace = Pace()
    async with at_work(testbed, seed, users, pace) as (workers, prober), AsyncExitStack() as ears:
        for worker in workers:
            await ears.enter_async_context(listening(worker))
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as working:
            for worker in workers:
                working.create_task(worker.work(ending))
            if calm:
                await asyncio.sleep(seconds)
            else:
                await asyncio.sleep(SETTLED_SECONDS)
                await make_trouble(testbed, FaultInjector(testbed, seed), prober, pace, seconds, report, tell)
            ending.set()
        tell("closing the books")
        report.balances = await settled(workers, balanced_within)
        report.reloads = sum(worker.reloads for worker in workers) - len(workers)  # the first is none
        report.dead_letters = await count_dead_letters(testbed)
    return report


@asynccontextmanager
async def at_work(testbed: Testbed, seed: int, users: int, pace: Pace) -> AsyncIterator[tuple[list[Worker], User]]:
    """Pairs of users, each pair in its own tenant, and one more who tries everything after each fault."""
    async with AsyncExitStack() as doors:
        workers: list[Worker] = []
        for number in range(0, users, 2):
            owner = await doors.enter_async_context(signed_up(testbed.stack.gateways))
            for user in (owner, await member(owner, "agent"))[: users - number]:
                user.patience = FLOWS_WITHIN
                workers.append(Worker(user, random.Random(f"{seed} {len(workers)}"), pace))
        yield workers, await doors.enter_async_context(signed_up(testbed.stack.gateways))


async def make_trouble(
    testbed: Testbed, faults: FaultInjector, prober: User, pace: Pace, seconds: float, report: Report, tell: Tell
) -> None:
    began = monotonic()
    drawn = faults.drawn()
    while monotonic() < began + seconds or len(report.faults) < LEAST_TROUBLES:
        several = [next(drawn)]
        while (pause := faults.pause()) == 0.0 and len(several) < 3:
            several.append(next(drawn))
        since = monotonic()
        await asyncio.gather(*(each.make() for each in several))
        await flows(prober, pace)
        took = monotonic() - since
        note(report, several, took)
        tell(f"{since - began:6.1f} s  {' + '.join(map(str, several))}: all flows after {took:.1f} s")
        await asyncio.sleep(pause)


def note(report: Report, several: list[Fault], took: float) -> None:
    report.faults += map(str, several)
    for each in several:
        kind = each.kind if len(several) == 1 else "several at once"
        report.longest[kind] = max(took, report.longest.get(kind, 0.0))


async def flows(user: User, pace: Pace) -> None:
    """Wait until each gateway serves each service without delay, and events arrive live."""
    count = itertools.count()

    async def step(gateway: int, method: str, path: str, body: object = None) -> Any:
        answer = await user.ask(method, path, body, gateway=gateway)
        assert answer.status < 300, f"{method} {path} answered {answer.status}: {answer.body}"
        assert answer.seconds < STEP_SECONDS, f"{method} {path} took {answer.seconds:.1f} s"
        return answer.body

    async def all_steps() -> bool:
        for gateway in range(len(user.gateways)):
            text = f"still there {next(count)}"
            try:
                async with asyncio.timeout(6 * STEP_SECONDS):
                    last = (await step(gateway, "GET", "/events"))["last_event_id"]
                    await step(gateway, "POST", "/conversations/+14155550100/messages", {"body": text})
                    await step(gateway, "GET", "/reminders")
                    await step(gateway, "GET", "/auth/me")
                    await user.upload("still there", b"x", gateway=gateway)
                    events = await step(1 - gateway, "GET", f"/events?after={last}&wait=2")
                    assert text in str(events), "the message did not arrive live"
            except (aiohttp.ClientError, TimeoutError) as trouble:
                raise AssertionError(repr(trouble)) from trouble
        return True

    async def try_all() -> bool:
        try:
            flowing = await all_steps()
        except AssertionError:
            pace.slower()
            raise
        pace.faster()
        return flowing

    await until(try_all, within=FLOWS_WITHIN, what="all flows again")


async def settled(workers: list[Worker], within: float) -> dict[str, Balance]:
    """The books when nothing is lost any more, or when we have waited long enough for that."""
    deadline = monotonic() + within
    while True:
        try:
            balances = summed([await worker.close_books() for worker in workers])
            if not any(balance.lost for balance in balances.values()) or monotonic() > deadline:
                break
        except (aiohttp.ClientError, TimeoutError, AssertionError):
            if monotonic() > deadline:
                raise
        await asyncio.sleep(2)
    await asyncio.sleep(3)  # for what might come a second time
    return summed([await worker.close_books() for worker in workers])


async def count_dead_letters(testbed: Testbed) -> int:
    """Messages that were given up, in all of the broker's queues for them."""
    import aio_pika

    from switchboard.contracts.consumers import SUBSCRIPTIONS

    connection = await aio_pika.connect(testbed.stack.environment("messaging")["AMQP_URL"])
    async with connection:
        channel = await connection.channel()
        found = [await channel.get_queue(f"{each.queue}.dead") for each in SUBSCRIPTIONS]
        return sum(queue.declaration_result.message_count or 0 for queue in found)
