"""A fault run: users work while faults are injected; an audit at the end compares their ledgers with the data."""

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

from .audit import audit_all
from .faults import Fault, FaultInjector
from .ledger import Balance, table
from .load import Pace, Worker, listening
from .testbed import FaultTestbed

RECOVERS_WITHIN = 240.0  # seconds after a fault, on a busy machine; longer is a failure
BALANCED_WITHIN = 120.0
SETTLED_SECONDS = 5.0
"""Before the first fault. RabbitMQ records a new queue with a delay: killed before that (3.10), it restarts with a
queue without a leader, see `docs/operating.md`. That concerns a new broker, not a fault run."""
LEAST_FAULTS = 2  # even if the first one takes all the time, on a slow machine
STEP_SECONDS = 3.0  # a slower request of the probing user counts as a failure

Log = Callable[[str], None]


@dataclass
class Report:
    """The result of a fault run."""

    seed: int
    seconds: float
    balances: dict[str, Balance] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)  # by kind of fault: seconds until everything worked again
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
                f"seed {self.seed}, {self.seconds:.0f} s, {len(self.faults)} faults, "
                f"{self.reloads} reloads of clients, {self.dead_letters} dead letters",
                "",
                table(self.balances),
                "",
                "| after | seconds until everything worked again, at most |",
                "|---|---|",
                *rows,
            ]
        )


async def fault_run(
    testbed: FaultTestbed,
    *,
    seconds: float,
    seed: int,
    log: Log,
    users: int = 4,
    calm: bool = False,
    balanced_within: float = BALANCED_WITHIN,
) -> Report:
    """Run users and faults, and audit the result. Raises if the product doesn't recover.

    `calm`: inject no faults. Data that is missing after `balanced_within` seconds counts as lost.
    """
    report = Report(seed, seconds)
    pace = Pace()
    async with signed_up_users(testbed, seed, users, pace) as (workers, prober), AsyncExitStack() as clients:
        for worker in workers:
            await clients.enter_async_context(listening(worker))
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as working:
            for worker in workers:
                working.create_task(worker.work(ending))
            if calm:
                await asyncio.sleep(seconds)
            else:
                await asyncio.sleep(SETTLED_SECONDS)
                await inject_faults(testbed, FaultInjector(testbed, seed), prober, pace, seconds, report, log)
            ending.set()
        log("auditing")
        report.balances = await final_balances(workers, balanced_within)
        report.reloads = sum(worker.reloads for worker in workers) - len(workers)  # not the first load
        report.dead_letters = await count_dead_letters(testbed)
    return report


@asynccontextmanager
async def signed_up_users(
    testbed: FaultTestbed, seed: int, users: int, pace: Pace
) -> AsyncIterator[tuple[list[Worker], User]]:
    """Sign up pairs of users, each pair in a new tenant, and one more who probes everything after each fault."""
    async with AsyncExitStack() as stack:
        workers: list[Worker] = []
        for number in range(0, users, 2):
            owner = await stack.enter_async_context(signed_up(testbed.stack.gateways))
            for user in (owner, await member(owner, "agent"))[: users - number]:
                user.patience = RECOVERS_WITHIN
                workers.append(Worker(user, random.Random(f"{seed} {len(workers)}"), pace))
        yield workers, await stack.enter_async_context(signed_up(testbed.stack.gateways))


async def inject_faults(
    testbed: FaultTestbed, faults: FaultInjector, prober: User, pace: Pace, seconds: float, report: Report, log: Log
) -> None:
    began = monotonic()
    drawn = faults.drawn()
    while monotonic() < began + seconds or len(report.faults) < LEAST_FAULTS:
        several = [next(drawn)]
        while (pause := faults.pause()) == 0.0 and len(several) < 3:
            several.append(next(drawn))
        since = monotonic()
        await asyncio.gather(*(each.make() for each in several))
        await wait_until_all_works(prober, pace)
        took = monotonic() - since
        note(report, several, took)
        log(f"{since - began:6.1f} s  {' + '.join(map(str, several))}: everything works after {took:.1f} s")
        await asyncio.sleep(pause)


def note(report: Report, several: list[Fault], took: float) -> None:
    report.faults += map(str, several)
    for each in several:
        kind = each.kind if len(several) == 1 else "several at once"
        report.longest[kind] = max(took, report.longest.get(kind, 0.0))


async def wait_until_all_works(user: User, pace: Pace) -> None:
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
                    while text not in str(heard := await step(1 - gateway, "GET", f"/events?after={last}&wait=2")):
                        assert heard["items"], "the message did not arrive live"
                        last = heard["last_event_id"]  # of other messages
            except (aiohttp.ClientError, TimeoutError) as error:
                raise AssertionError(repr(error)) from error
        return True

    async def try_all() -> bool:
        try:
            works = await all_steps()
        except AssertionError:
            pace.slower()
            raise
        pace.faster()
        return works

    await until(try_all, within=RECOVERS_WITHIN, description="everything works again")


async def final_balances(workers: list[Worker], within: float) -> dict[str, Balance]:
    """Audit until nothing is missing, or until the time is up."""
    deadline = monotonic() + within
    while True:
        try:
            balances = await audit_all(workers)
            if not any(balance.lost for balance in balances.values()) or monotonic() > deadline:
                break
        except (aiohttp.ClientError, TimeoutError, AssertionError):
            if monotonic() > deadline:
                raise
        await asyncio.sleep(2)
    await asyncio.sleep(3)  # for duplicates
    return await audit_all(workers)


async def count_dead_letters(testbed: FaultTestbed) -> int:
    """Count the messages in all dead-letter queues."""
    import aio_pika

    from switchboard.contracts.consumers import SUBSCRIPTIONS

    connection = await aio_pika.connect(testbed.stack.environment("messaging")["AMQP_URL"])
    async with connection:
        channel = await connection.channel()
        found = [await channel.get_queue(f"{each.queue}.dead") for each in SUBSCRIPTIONS]
        return sum(queue.declaration_result.message_count or 0 for queue in found)
