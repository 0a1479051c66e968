"""Restarts of services under load, without failed requests."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .client import User

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(420)]

PER_SECOND = 150  # requests, at most: a user is limited to 500
EJECTED_AFTER = 4.0  # seconds: two failed probes, with a margin


@dataclass
class Load:
    """The statistics of repeated requests. `failures`: answers other than 200; `seconds`: (start, duration)."""

    gateways: set[int] = field(default_factory=lambda: {0, 1})
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)


@asynccontextmanager
async def loaded(user: User, path: str, at_once: int = 8) -> AsyncIterator[Load]:
    load, ending = Load(), asyncio.Event()
    now = asyncio.get_running_loop().time

    async def go_on(number: int) -> None:
        while not ending.is_set():
            number += 1
            left = sorted(load.gateways) or [0, 1]
            chosen = left[number % len(left)]
            began = now()
            try:
                answer = await user.ask("GET", path, gateway=chosen)
                if answer.status != 200:
                    load.failures.append(f"{answer.status} {answer.body}")
            except aiohttp.ClientError as cut:
                load.failures.append(repr(cut))
            load.answered += 1
            load.seconds.append((began, now() - began))
            await asyncio.sleep(at_once / PER_SECOND)

    workers = [asyncio.create_task(go_on(number)) for number in range(at_once)]
    try:
        yield load
    finally:
        ending.set()
        await asyncio.gather(*workers)


@asynccontextmanager
async def balancing(user: User, load: Load) -> AsyncIterator[None]:
    """Act as a load balancer: probe each gateway ten times a second, and send load to the ready ones."""

    async def watch(number: int) -> None:
        while True:
            try:
                async with user.http.get(f"{user.gateways[number]}/readyz") as answer:
                    ready = answer.status == 200
            except aiohttp.ClientError:
                ready = False
            (load.gateways.add if ready else load.gateways.discard)(number)
            await asyncio.sleep(0.1)

    watching = [asyncio.create_task(watch(number)) for number in range(len(user.gateways))]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def restart(stack: RunningStack, instance: str) -> None:
    """Stop an instance with SIGTERM, and wait until it is healthy again."""
    before = stack.kill(instance, signal.SIGTERM)
    await until(lambda: stack.pid(instance) not in (None, before), within=120)
    await until(lambda: stack.is_healthy(instance), within=120)


@pytest.mark.slow
async def test_a_rolling_restart_of_auth_fails_no_request(stack: RunningStack, anna: User) -> None:
    async with loaded(anna, "/auth/me") as load:
        for row in stack.instances("auth"):
            await restart(stack, row.instance)

    assert load.failures == []
    assert load.answered > 100


@pytest.mark.slow
async def test_a_rolling_restart_of_the_gateways_fails_no_request(stack: RunningStack, anna: User) -> None:
    """With a load balancer that probes readiness: a draining gateway reports not ready."""
    async with loaded(anna, "/auth/me") as load, balancing(anna, load):
        for row in stack.instances("api-gateway"):
            await until(lambda: len(load.gateways) == 2, within=60)
            await restart(stack, row.instance)

    assert load.failures == []
    assert load.answered > 100


@pytest.mark.slow
async def test_a_hanging_instance_delays_requests_only_briefly(stack: RunningStack, anna: User) -> None:
    now = asyncio.get_running_loop().time
    async with loaded(anna, "/conversations") as load:
        await until(lambda: load.answered > 50)
        hanging = stack.instances("conversations")[0].instance
        stopped = now()
        stack.kill(hanging, signal.SIGSTOP)
        try:
            await until(lambda: now() > stopped + EJECTED_AFTER + 4, within=20)
        finally:
            stack.kill(hanging, signal.SIGCONT)

    assert load.failures == []
    assert max(took for _, took in load.seconds) < 2 * EJECTED_AFTER
    later = sorted(took for began, took in load.seconds if began > stopped + EJECTED_AFTER)
    assert later[int(len(later) * 0.99)] < 1.0
    await until(lambda: stack.is_healthy(hanging), within=30)
