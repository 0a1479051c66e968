"""`bin/switchboard dead-letters …`: list, show, replay and discard dead letters. `events …` is in `tailing.py`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated

import orjson
import typer
from rich.table import Table
from rich.text import Text

from switchboard.messaging.operators.context import operator_broker
from switchboard.messaging.operators.dead_letters import DeadLetter, DeadLetters, TooOld
from switchboard.messaging.operators.tailing import events
from switchboard.runtime.terminal import Terminal
from switchboard.runtime.unavailable import Unavailable

app = typer.Typer(no_args_is_help=True)
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that could not be handled.")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(events, name="events")

SubscriptionArgument = Annotated[str, typer.Argument(help="The subscription, named as in `list`.")]
IdOption = Annotated[str | None, typer.Option("--id", help="The id of one dead letter, or of its event.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON, for jq.")]
AllOption = Annotated[bool, typer.Option("--all", help="All dead letters of the subscription.")]


@dead_letters.command("list")
def list_(as_json: JsonOption = False) -> None:
    """Count the dead letters of each subscription."""

    async def run() -> dict[str, int]:
        async with _open() as letters:
            return await letters.counts()

    counts = asyncio.run(run())
    if as_json:
        typer.echo(orjson.dumps(counts, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("subscription", "dead letters")
    for queue, count in counts.items():
        table.add_row(queue, str(count), style="red" if count else "dim")
    Terminal().print(table)


@dead_letters.command()
def show(
    subscription: Annotated[str | None, typer.Argument(help="Only this subscription; all by default.")] = None,
    limit: int = 20,
    as_json: JsonOption = False,
) -> None:
    """Show dead letters and their errors, oldest first. `--json`: with their bodies, an array for jq."""

    async def run() -> list[DeadLetter]:
        async with _open() as letters:
            return await letters.find(subscription, limit=limit)

    found = asyncio.run(run())
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    table = Table("subscription", "id", "type", "event", "since", "attempts", "reason", "copies", show_lines=True)
    for letter in found:
        why = f"{letter.reason}: {letter.error}" if letter.error else letter.reason
        table.add_row(
            letter.subscription,
            letter.id,
            letter.type,
            letter.event_id or "",
            letter.parked_at[:19],
            str(letter.attempts),
            Text(why),  # not as rich's markup
            ", ".join(letter.copies),
        )
    console = Terminal()
    console.print(table)
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

    async def run() -> tuple[int, str]:
        async with _open() as letters:
            count = await letters.replay(subscription, id=id, force=force)
            return count, "" if count else await _why_none(letters, subscription, id)

    _report(run(), "replayed")


@dead_letters.command()
def discard(subscription: SubscriptionArgument, id: IdOption = None, all: AllOption = False) -> None:
    """Delete dead letters."""
    _one_or_all(id, all)

    async def run() -> tuple[int, str]:
        async with _open() as letters:
            count = await letters.discard(subscription, id=id)
            return count, "" if count else await _why_none(letters, subscription, id)

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


async def _why_none(letters: DeadLetters, subscription: str, id: str | None) -> str:
    if id is None:
        return f"{subscription} has no dead letters"
    elsewhere = await letters.subscriptions_with(id)
    found = f"; there is one in {', '.join(elsewhere)}" if elsewhere else ""
    return f"{subscription} has no dead letter with the id {id}, and none of an event with it{found}"


def _report(run: Coroutine[None, None, tuple[int, str]], done: str) -> None:
    count, why_none = asyncio.run(run)
    typer.echo(f"{count} {done}")
    if count == 0:
        typer.echo(why_none, err=True)
        raise typer.Exit(1)
