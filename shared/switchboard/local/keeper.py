"""Keep servers or a stack running for another process, which reads their addresses from a file.

They run as long as the keeper. The keeper ends on a signal, or with the process that it was started for, so that a
killed test run leaves no processes behind.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from switchboard.local.stack_directory import StackDirectory

ADDRESSES = "servers.json"


def announce(stack_dir: StackDirectory, addresses: dict[str, object]) -> None:
    """Write the file of addresses atomically. Call it when all servers are ready."""
    draft = stack_dir.root / f"{ADDRESSES}.draft"
    draft.write_text(json.dumps(addresses | {"place": str(stack_dir.root)}, indent=2) + "\n")
    draft.rename(stack_dir.root / ADDRESSES)


def addresses_at(directory: Path) -> dict[str, object] | None:
    """Return the addresses announced in `directory`, or None."""
    file = directory / ADDRESSES
    return dict(json.loads(file.read_text())) if file.exists() else None


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGINT, so that the block's cleanup runs."""

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    yield


def keep(until_exit_of: int | None) -> None:
    """Block until a signal, or until that process exits."""
    master = psutil.Process(until_exit_of) if until_exit_of else None
    while master is None or master.is_running():
        time.sleep(0.5)
