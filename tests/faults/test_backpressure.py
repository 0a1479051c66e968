"""Backpressure: while consumers or the broker stop, memory stays bounded; afterwards all messages arrive in order."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from switchboard.client import LiveClient, LiveEvent
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory
from switchboard.testing import becomes, until
from switchboard.testing.stack import RunningStack
from tests.e2e.client import Answer, User, signed_up

OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "0"))  # how long the fault lasts, at least

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600 + OUTAGE)]

PHONE = "+14155550100"
MOST_MEMORY = 300 * 2**20  # bytes of one service process
WATERMARK = "768MB"
COUNT = max(400, int(OUTAGE * 10))  # messages written during the fault
WRITERS = 8


@pytest.fixture
async def anna(stack: RunningStack) -> AsyncIterator[User]:
    async with signed_up(stack.gateways) as user:
        user.patience = 240
        yield user


@dataclass
class LiveSeqs:
    """Records the `seq` of each message that arrives live."""

    seqs: list[int] = field(default_factory=list)

    async def hear(self, event: LiveEvent) -> None:
        if event.type == "conversation.message_appended":
            self.seqs.append(event.data["message"]["seq"])

    async def reload(self) -> None: ...


def memory_of(stack: RunningStack) -> int:
    """Return the memory of the largest service process."""
    pids = [row.pid for row in stack.instances() if row.pid and row.instance.endswith(("-1", "-2"))]
    return max(psutil.Process(pid).memory_info().rss for pid in pids)


async def write_meanwhile(user: User, count: int) -> list[Answer]:
    """Write `count` messages concurrently. Every answer that is not 2xx is in `user.refused`."""
    numbers = iter(range(count))

    async def go_on() -> list[Answer]:
        answers = []
        for n in numbers:
            answers.append(await user.say(PHONE, f"message {n}"))
            await asyncio.sleep(OUTAGE / count * WRITERS)
        return answers

    return [answer for answers in await asyncio.gather(*(go_on() for _ in range(WRITERS))) for answer in answers]


async def assert_nothing_is_missed(stack: RunningStack, user: User, fault: "Fault") -> None:
    received = LiveSeqs()
    async with LiveClient(stack.gateways, user.token, on_event=received.hear, on_reload=received.reload) as live:
        await asyncio.wait_for(live.connected.wait(), 60)
        async with fault(stack):
            answers = await write_meanwhile(user, COUNT)
            assert memory_of(stack) < MOST_MEMORY
        await becomes(lambda: received.seqs, list(range(1, COUNT + 1)), within=120)
    assert len(answers) == COUNT
    for refusal in user.refused:
        assert (refusal.status, refusal.body["code"]) in {(503, "unavailable"), (409, "in_progress")}, refusal


Fault = Callable[[RunningStack], Any]


@asynccontextmanager
async def consumers_stopped(stack: RunningStack) -> AsyncIterator[None]:
    """Stop the consumers of the scheduler and of realtime; sockets stay open."""
    pids = [stack.kill(f"{service}-{n}", signal.SIGSTOP) for service in ("realtime", "scheduler") for n in (1, 2)]
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def broker_alarmed(stack: RunningStack) -> AsyncIterator[None]:
    """Raise the broker's memory alarm: it blocks publishers until the alarm is cleared."""
    await asyncio.to_thread(rabbitmqctl, stack, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        await until(lambda: "memory" in rabbitmqctl(stack, "eval", "rabbit_alarm:get_alarms()."), within=60)
        yield
    finally:
        await asyncio.to_thread(rabbitmqctl, stack, "set_vm_memory_high_watermark", "absolute", WATERMARK)


def rabbitmqctl(stack: RunningStack, *words: str) -> str:
    """Run `rabbitmqctl` on the broker of the stack."""
    assert stack.stack_dir is not None
    environment = dict(
        Stack.at(StackDirectory(stack.stack_dir, throwaway=True), {}).servers.rabbitmq.program().environment
    )
    environment.pop("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", None)
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("fault", [consumers_stopped, broker_alarmed])
async def test_blocked_messages_are_all_delivered_in_order_afterwards(
    stack: RunningStack, anna: User, fault: Fault
) -> None:
    await assert_nothing_is_missed(stack, anna, fault)
