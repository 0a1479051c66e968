"""`bin/switchboard events tail`: print published events, one per line."""

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
from switchboard.messaging.operators.context import operator_broker
from switchboard.runtime.unavailable import Unavailable

PREFETCH = 200
MOST_QUEUED = 10_000  # events; for a slower reader, the oldest are dropped

events = typer.Typer(no_args_is_help=True, help="Events that the services publish.")


@events.callback()
def _group() -> None: ...


@events.command()
def tail(
    tenant: Annotated[UUID | None, typer.Option(help="Only events of this tenant.")] = None,
    type: Annotated[
        list[str] | None, typer.Option(help="Only these types: `message.status_changed`, or all of `message`.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
) -> None:
    """Print each event from now on: time, type, tenant, subject, data. The services get their events all the same."""

    async def run() -> None:
        left = count
        async with aclosing(_events(type or [])) as stream:
            async for envelope in stream:
                if tenant is not None and envelope.tenant_id != tenant:
                    continue
                typer.echo(line(envelope))
                left = None if left is None else left - 1
                if left == 0:
                    return

    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # its errors would repeat ours
    try:
        asyncio.run(run())
    except Unavailable as error:
        raise SystemExit(f"events: the broker does not answer: {error}") from None
    except KeyboardInterrupt:
        pass  # the usual way to end it


def line(envelope: Envelope) -> str:
    at = envelope.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = orjson.dumps(envelope.data).decode()
    return f"{at} {envelope.type} {envelope.tenant_id or '-'} {envelope.subject} {data}"


async def _events(types: Iterable[str]) -> AsyncGenerator[Envelope]:
    """Events from an exclusive queue, deleted with the connection. Raises `BrokerUnavailable`."""
    broker = operator_broker()
    typer.echo("connecting to the broker", err=True)
    try:
        async with broker.channel(confirms=False) as channel:
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await channel.declare_queue(exclusive=True, arguments={"x-max-length": MOST_QUEUED})
            for key in [f"{wanted}.#" for wanted in types] or ["#"]:
                await queue.bind(EVENTS, key)
            async with queue.iterator() as messages:
                typer.echo("listening: events from now on are printed, Ctrl-C ends", err=True)
                async for message in messages:
                    await message.ack()
                    try:
                        yield Envelope.decode(message.body)
                    except Unreadable as error:
                        typer.echo(f"unreadable: {error}", err=True)
            raise BrokerUnavailable("the connection ended")
    finally:
        await broker.close()
