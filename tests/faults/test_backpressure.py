"""More comes in than can go on: nothing grows without a bound, and all of it drains afterwards, in order."""

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

OUTAGE = float(os.environ.get("OUTAGE_SECONDS", "0"))  # how long the trouble lasts, at least

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("stack"), pytest.mark.timeout(600 + OUTAGE)]

PHONE = "+14155550100"
MOST_MEMORY = 300 * 2**20  # bytes of one process of ours
WATERMARK = "768MB"
COUNT = max(400, int(OUTAGE * 10))  # messages meanwhile
WRITERS = 8


@pytest.fixture
async def anna(stack: RunningStack) -> AsyncIterator[User]:
    async with signed_up(stack.gateways) as user:
        user.patience = 240
        yield user


@dataclass
class Ear:
    """Positions of the messages, as they arrived live."""

    seqs: list[int] = field(default_factory=list)

    async def hear(self, event: LiveEvent) -> None:
        if event.type == "conversation.message_appended":
            self.seqs.append(event.data["message"]["seq"])

    async def reload(self) -> None: ...


def memory_of(stack: RunningStack) -> int:
    """Of the largest process of ours."""
    pids = [row.pid for row in stack.instances() if row.pid and row.instance.endswith(("-1", "-2"))]
    return max(psutil.Process(pid).memory_info().rss for pid in pids)


async def write_meanwhile(user: User, count: int) -> list[Answer]:
    """So many messages, some at a time. Every answer that is not 2xx is in `user.refused`."""
    numbers = iter(range(count))

    async def go_on() -> list[Answer]:
        answers = []
        for n in numbers:
            answers.append(await user.say(PHONE, f"message {n}"))
            await asyncio.sleep(OUTAGE / count * WRITERS)
        return answers

    return [answer for answers in await asyncio.gather(*(go_on() for _ in range(WRITERS))) for answer in answers]


async def assert_nothing_is_missed(stack: RunningStack, user: User, trouble: "Fault") -> None:
    ear = Ear()
    async with LiveClient(stack.gateways, user.token, on_event=ear.hear, on_reload=ear.reload) as live:
        await asyncio.wait_for(live.connected.wait(), 60)
        async with trouble(stack):
            answers = await write_meanwhile(user, COUNT)
            assert memory_of(stack) < MOST_MEMORY
        await becomes(lambda: ear.seqs, list(range(1, COUNT + 1)), within=120)
    assert len(answers) == COUNT
    for refusal in user.refused:
        assert (refusal.status, refusal.body["code"]) in {(503, "unavailable"), (409, "in_progress")}, refusal


Fault = Callable[[RunningStack], Any]


@asynccontextmanager
async def consumers_stopped(stack: RunningStack) -> AsyncIterator[None]:
    """The scheduler's and the sockets' own readers of the bus stand still; sockets stay open."""
    pids = [stack.kill(f"{service}-{n}", signal.SIGSTOP) for service in ("realtime", "scheduler") for n in (1, 2)]
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def broker_alarmed(stack: RunningStack) -> AsyncIterator[None]:
    """Its memory alarm: the broker takes nothing from publishers until it is over."""
    await asyncio.to_thread(rabbitmqctl, stack, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        await until(lambda: "memory" in rabbitmqctl(stack, "eval", "rabbit_alarm:get_alarms()."), within=60)
        yield
    finally:
        await asyncio.to_thread(rabbitmqctl, stack, "set_vm_memory_high_watermark", "absolute", WATERMARK)


def rabbitmqctl(stack: RunningStack, *words: str) -> str:
    """Of the stack's own broker."""
    assert stack.stack_dir is not None
    environment = dict(
        Stack.at(StackDirectory(stack.stack_dir, throwaway=True), {}).servers.rabbitmq.program().environment
    )
    environment.pop("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", None)
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", *words]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("trouble", [consumers_stopped, broker_alarmed])
async def test_what_could_not_go_on_goes_on_afterwards_in_order(
    stack: RunningStack, anna: User, trouble: Fault
) -> None:
    await assert_nothing_is_missed(stack, anna, trouble)
