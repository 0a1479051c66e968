"""`bin/switchboard events tail`: what is published, as it is, one line for each event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import orjson
import typer

from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.messaging.broker.connection import BrokerUnavailable
from switchboard.messaging.broker.routing import EVENTS
from switchboard.messaging.operators.context import operators_broker
from switchboard.runtime.unavailable import Unavailable

AT_ONCE = 200
BEHIND = 10_000  # events; of a reader who is slower than that, the oldest are dropped

events = typer.Typer(no_args_is_help=True, help="What happens, as the services tell each other.")


@events.callback()
def _group() -> None: ...


@events.command()
def tail(
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant's.")] = None,
    type: Annotated[
        list[str] | None, typer.Option(help="Only these: `message.status_changed`, or all of `message`.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
) -> None:
    """Print each event from now on: time, type, tenant, subject, data. Takes nothing away from any service."""

    async def run() -> None:
        left = count
        async with aclosing(_events(type or [])) as happening:
            async for envelope in happening:
                if tenant is not None and envelope.tenant_id != tenant:
                    continue
                typer.echo(line(envelope))
                left = None if left is None else left - 1
                if left == 0:
                    return

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it tells of a broker that is away beside our own words
    try:
        asyncio.run(run())
    except Unavailable as outage:
        raise SystemExit(f"events: the broker does not answer: {outage}") from None
    except KeyboardInterrupt:
        pass  # how a tail ends


def line(envelope: Envelope) -> str:
    at = envelope.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = orjson.dumps(envelope.data).decode()
    return f"{at} {envelope.type} {envelope.tenant_id or '-'} {envelope.subject} {data}"


async def _events(types: Iterable[str]) -> AsyncGenerator[Envelope]:
    """From a queue of one's own, which goes with the connection. Raises `BrokerUnavailable`."""
    broker = operators_broker()
    try:
        async with broker.channel(confirms=False) as channel:
            await channel.set_qos(prefetch_count=AT_ONCE)
            queue = await channel.declare_queue(exclusive=True, arguments={"x-max-length": BEHIND})
            for key in [f"{wanted}.#" for wanted in types] or ["#"]:
                await queue.bind(EVENTS, key)
            async with queue.iterator() as messages:
                typer.echo("listening", err=True)
                async for message in messages:
                    await message.ack()
                    try:
                        yield Envelope.decode(message.body)
                    except Unreadable as trouble:
                        typer.echo(f"unreadable: {trouble}", err=True)
            raise BrokerUnavailable("the connection ended")
    finally:
        await broker.close()
