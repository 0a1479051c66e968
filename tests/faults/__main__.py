"""Run users against a stack while injecting faults: `make faults`. Exits with 1 if data was lost or duplicated."""

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
from .testbed import private_testbed


def main(
    seconds: Annotated[float, typer.Option(min=1, help="How long faults are injected.")] = 120,
    seed: Annotated[int | None, typer.Option(help="Repeat the faults of an earlier run.")] = None,
    users: Annotated[int, typer.Option(min=1, max=32)] = 4,
    keep: Annotated[bool, typer.Option("--keep", help="Write the report to docs/numbers.md as well.")] = False,
) -> None:
    """Run faults on a private stack."""
    chosen = random.randrange(10**6) if seed is None else seed
    _print(f"seed {chosen}: repeat by SEED={chosen} make faults")
    result = asyncio.run(_run(seconds, chosen, users))
    text = str(result)
    _print("\n" + text)
    if keep:
        numbers.keep("faults", text)
    for kind, balance in result.balances.items():
        for defect in ("lost", "doubled", "unexpected"):
            if names := getattr(balance, defect):
                _print(f"{defect} {kind}: {', '.join(names[:20])}")
    raise typer.Exit(0 if result.is_good else 1)


async def _run(seconds: float, seed: int, users: int) -> Report:
    """Run with signal handlers, so that a signal stops the stack too."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _current().cancel)
    _print("starting a private stack")
    async with private_testbed(REPOSITORY / ".local" / f"faults-{os.getpid()}") as testbed:
        return await fault_run(testbed, seconds=seconds, seed=seed, log=_print, users=users)


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
