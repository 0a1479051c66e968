"""`make faults`: users at work while things go wrong. Ends with 1 when anything was lost, doubled or unexpected."""

import asyncio
import os
import random
import signal
import sys
from typing import Annotated

import typer

from bench import numbers
from switchboard.local.stack_directory import REPOSITORY

from .run import Report, fault_run
from .testbed import own_testbed


def main(
    seconds: Annotated[float, typer.Option(min=1, help="How long things go wrong.")] = 120,
    seed: Annotated[int | None, typer.Option(help="Repeats the troubles of an earlier run.")] = None,
    users: Annotated[int, typer.Option(min=1, max=32)] = 4,
    keep: Annotated[bool, typer.Option("--keep", help="Write the report to docs/numbers.md as well.")] = False,
) -> None:
    """A fault run on a stack of its own."""
    chosen = random.randrange(10**6) if seed is None else seed
    _tell(f"seed {chosen}: repeat by SEED={chosen} make faults")
    result = asyncio.run(_run(seconds, chosen, users))
    text = str(result)
    _tell("\n" + text)
    if keep:
        numbers.keep("faults", text)
    for kind, balance in result.balances.items():
        for what in ("lost", "doubled", "unexpected"):
            if names := getattr(balance, what):
                _tell(f"{what} {kind}: {', '.join(names[:20])}")
    raise typer.Exit(0 if result.is_good else 1)


async def _run(seconds: float, seed: int, users: int) -> Report:
    """A signal stops the stack too."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _current().cancel)
    _tell("starting a stack of its own")
    async with own_testbed(REPOSITORY / ".local" / f"faults-{os.getpid()}") as testbed:
        return await fault_run(testbed, seconds=seconds, seed=seed, tell=_tell, users=users)


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _tell(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
