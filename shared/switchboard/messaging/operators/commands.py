"""`bin/switchboard dead-letters …`: list, show, replay and discard dead letters. `events …` is in `tailing.py`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated

import orjson
import typer
from rich.table import Table

from switchboard.messaging.operators.context import operator_broker
from switchboard.messaging.operators.dead_letters import DeadLetters, TooOld
from switchboard.messaging.operators.tailing import events
from switchboard.runtime.terminal import Terminal
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(events, name="events")

SubscriptionArgument = Annotated[str, typer.Argument(help="The subscription, named as in `list`.")]
IdOption = Annotated[str | None, typer.Option("--id", help="The id of one dead letter, or of its event.")]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters of the subscription.")]


@dead_letters.command("list")
def list_() -> None:
    """Count the dead letters of each subscription."""

    async def run() -> dict[str, int]:
        async with _open() as letters:
            return await letters.counts()

    table = Table("subscription", "dead letters")
    for queue, count in asyncio.run(run()).items():
        table.add_row(queue, str(count), style="red" if count else "dim")
    Terminal().print(table)


@dead_letters.command()
def show(
    subscription: Annotated[str | None, typer.Argument(help="Only this subscription; all by default.")] = None,
    limit: int = 20,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show dead letters and their errors, oldest first."""

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
    subscription: SubscriptionArgument,
    id: IdOption = None,
    all: AllOption = False,
    force: Annotated[
        bool, typer.Option(help="Replay messages older than 25 days too: the inbox may have forgotten them.")
    ] = False,
) -> None:
    """Return dead letters to the queue of their own subscription."""
    _one_or_all(id, all)

    async def run() -> int:
        async with _open() as letters:
            return await letters.replay(subscription, id=id, force=force)

    _report(run(), "replayed")


@dead_letters.command()
def discard(subscription: SubscriptionArgument, id: IdOption = None, all: AllOption = False) -> None:
    """Delete dead letters."""
    _one_or_all(id, all)

    async def run() -> int:
        async with _open() as letters:
            return await letters.discard(subscription, id=id)

    _report(run(), "discarded")


@asynccontextmanager
async def _open() -> AsyncIterator[DeadLetters]:
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # its errors would repeat ours
    broker = operator_broker()
    try:
        yield DeadLetters(broker)
    except (LookupError, TooOld) as error:
        raise typer.BadParameter(str(error)) from error
    except Unavailable as error:
        raise SystemExit(f"dead-letters: the broker does not answer: {error}") from None
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
