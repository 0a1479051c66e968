"""Benchmark the latency from a request to the event at a client, through the whole product at low load.

`python -m bench.bench_live [--quick]`. On a private stack, messages are posted at both gateways in turn, 20 a second,
and received by one Socket.IO client at each. "After the 201": from the answer to the event; negative if the event
arrives first.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any
from uuid import uuid4

import aiohttp
import uvloop
from rich.table import Table

from switchboard.client import LiveClient, LiveEvent
from switchboard.runtime.terminal import Terminal
from switchboard.testing import until
from switchboard.testing.servers import begin_run, end_run
from switchboard.testing.stack import find_stack

PHONE = "+14155550100"
PER_SECOND = 20
WARM_UP = 40  # messages not counted


async def measure(gateways: list[str], messages: int) -> dict[str, list[float]]:
    """Return latencies in seconds, in the order of sending."""
    asked: dict[str, float] = {}
    answered: dict[str, float] = {}
    heard: list[dict[str, float]] = [{} for _ in gateways]
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        token = await sign_up(http, gateways[0])
        for number, gateway in enumerate(gateways):
            await stack.enter_async_context(listening(gateway, token, heard[number]))
        await until(lambda: all("ready" in times for times in heard))
        for number in range(messages + WARM_UP):
            text = f"{number}"
            asked[text] = perf_counter()
            url = f"{gateways[number % len(gateways)]}/api/v1/conversations/{PHONE}/messages"
            async with http.post(url, json={"body": text}, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 201, await answer.text()
                await answer.read()
            answered[text] = perf_counter()
            await asyncio.sleep(max(0.0, asked[text] + 1 / PER_SECOND - perf_counter()))
        await until(lambda: all(text in times for times in heard for text in asked))
    counted = list(asked)[WARM_UP:]
    return {
        "the answer": [answered[text] - asked[text] for text in counted],
        "after the 201": [times[text] - answered[text] for times in heard for text in counted],
        "the event, from the request on": [times[text] - asked[text] for times in heard for text in counted],
    }


async def sign_up(http: aiohttp.ClientSession, gateway: str) -> str:
    """Sign up the owner of a new tenant, and return the session's token."""
    body = {"tenant_name": "Bench", "name": "Anna", "email": f"{uuid4().hex}@example.com", "password": uuid4().hex}
    async with http.post(f"{gateway}/api/v1/auth/signup", json=body) as answer:
        assert answer.status == 201, await answer.text()
        token: str = (await answer.json())["session"]["token"]
        return token


def listening(gateway: str, token: str, times: dict[str, float]) -> LiveClient:
    """Record when each text was first received, and when the client was `ready`."""

    async def hear(event: LiveEvent) -> None:
        message: dict[str, Any] = event.data.get("message", {})
        times.setdefault(message.get("body", ""), perf_counter())

    async def ready() -> None:
        times["ready"] = perf_counter()

    return LiveClient(gateway, token, on_event=hear, on_reload=ready)


def spread(seconds: list[float]) -> list[str]:
    ordered = sorted(seconds)
    return [f"{ordered[int(len(ordered) * share)] * 1000:.1f}" for share in (0.5, 0.99)]


def main() -> None:
    messages = 200 if "--quick" in sys.argv else 1000
    begin_run()
    try:
        found = uvloop.run(measure(find_stack().gateways, messages))
        table = Table("", "p50 ms", "p99 ms", title=f"{messages:,} messages, {PER_SECOND} a second, both gateways")
        for name, seconds in found.items():
            table.add_row(name, *spread(seconds))
        Terminal().print(table)
    finally:
        end_run()


if __name__ == "__main__":
    main()
