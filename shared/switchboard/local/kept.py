"""A stack that somebody else holds on to: tests start one and are told where it is by a file.

It runs for as long as its keeper does, which ends with the process that it was started for, or when
it is told to; so a test run that was killed leaves nothing behind.
"""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from switchboard.local.place import Place

ADDRESSES = "servers.json"


def announce(place: Place, addresses: dict[str, object]) -> None:
    """Written last, and at once: who sees the file may use what it names."""
    draft = place.root / f"{ADDRESSES}.draft"
    draft.write_text(json.dumps(addresses | {"place": str(place.root)}, indent=2) + "\n")
    draft.rename(place.root / ADDRESSES)


def addresses_at(directory: Path) -> dict[str, object] | None:
    """What was announced there, if anything was."""
    file = directory / ADDRESSES
    return dict(json.loads(file.read_text())) if file.exists() else None


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A signal ends the block as an exception does, so that what was started is stopped, however early it comes."""

    def leave(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    yield


def keep(until_exit_of: int | None) -> None:
    """Blocks until a signal, or the exit of that process."""
    master = psutil.Process(until_exit_of) if until_exit_of else None
    while master is None or master.is_running():
        time.sleep(0.5)
