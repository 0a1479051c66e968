"""A stack that somebody else holds on to: tests start one and are told where it is by a file.

It runs for as long as its keeper does, which ends with the process that it was started for, or when
it is told to; so a test run that was killed leaves nothing behind.
"""

import json
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import psutil

from switchboard.local.place import Place

ADDRESSES = "servers.json"


def announce(place: Place, addresses: dict[str, object]) -> None:
    """Written last, and at once: who sees the file may use what it names."""
    draft = place.root / f"{ADDRESSES}.draft"
    draft.write_text(json.dumps(addresses, indent=2) + "\n")
    draft.rename(place.root / ADDRESSES)


def addresses_at(directory: Path) -> dict[str, object] | None:
    """What was announced there, if anything was."""
    file = directory / ADDRESSES
    return dict(json.loads(file.read_text())) if file.exists() else None


def keep(place: Place, stop: Callable[[], None], until_exit_of: int | None) -> None:
    """Blocks until a signal, or the exit of that process; then stops everything and removes the directory."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    master = psutil.Process(until_exit_of) if until_exit_of else None
    while not told.wait(0.5) and (master is None or master.is_running()):
        pass
    (place.root / ADDRESSES).unlink(missing_ok=True)
    stop()
    shutil.rmtree(place.root, ignore_errors=True)
