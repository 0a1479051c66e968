"""`bin/switchboard dead-letters …` (and `events …`, of `tailing`): what was parked, why, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated

import orjson
import typer
from rich.table import Table

from switchboard.messaging.operators.context import operators_broker
from switchboard.messaging.operators.dead_letters import DeadLetters, TooOld
from switchboard.messaging.operators.tailing import events
from switchboard.runtime.terminal import Terminal
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(events, name="events")

Which = Annotated[str, typer.Argument(help="The subscription, as `list` names it.")]
One = Annotated[str | None, typer.Option("--id", help="One dead letter's id, or its event's.")]
Every = Annotated[bool, typer.Option("--all", help="All of the subscription.")]


@dead_letters.command("list")
def list_() -> None:
    """How many lie in each subscription."""

    async def run() -> dict[str, int]:
        async with _open() as letters:
            return await letters.counts()

    table = Table("subscription", "dead letters")
    for queue, count in asyncio.run(run()).items():
        table.add_row(queue, str(count), style="red" if count else "dim")
    Terminal().print(table)


@dead_letters.command()
def show(
    subscription: Annotated[str | None, typer.Argument(help="Only this one; all by default.")] = None,
    limit: int = 20,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What they are and why they were parked, oldest first."""

    async def run() -> list[object]:
        async with _open() as letters:
            return list(await letters.find(subscription, limit=limit))

    found = asyncio.run(run())
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    console = Terminal()
    for letter in found:
        console.print(letter, highlight=True)
    console.print(f"{len(found)} shown")


@dead_letters.command()
def replay(
    subscription: Which,
    id: One = None,
    all: Every = False,
    force: Annotated[bool, typer.Option(help="Even if older than inboxes remember (25 days).")] = False,
) -> None:
    """Hand them to their subscription again, and to no other."""
    _one_or_all(id, all)

    async def run() -> int:
        async with _open() as letters:
            return await letters.replay(subscription, id=id, force=force)

    _report(run(), "replayed")


@dead_letters.command()
def discard(subscription: Which, id: One = None, all: Every = False) -> None:
    """Drop them for good."""
    _one_or_all(id, all)

    async def run() -> int:
        async with _open() as letters:
            return await letters.discard(subscription, id=id)

    _report(run(), "discarded")


@asynccontextmanager
async def _open() -> AsyncIterator[DeadLetters]:
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # it tells of a broker that is away beside our own words
    broker = operators_broker()
    try:
        yield DeadLetters(broker)
    except (LookupError, TooOld) as refused:
        raise typer.BadParameter(str(refused)) from refused
    except Unavailable as outage:
        raise SystemExit(f"dead-letters: the broker does not answer: {outage}") from None
    finally:
        await broker.close()


def _one_or_all(id: str | None, all: bool) -> None:
    if (id is None) != all:
        raise typer.BadParameter("give --id or --all")


def _report(run: Coroutine[None, None, int], done: str) -> None:
    count = asyncio.run(run)
    typer.echo(f"{count} {done}")
    if count == 0:
        raise typer.Exit(1)
