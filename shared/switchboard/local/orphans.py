"""Processes of a place whose supervisor is gone: found by the mark in their environment, or by where they work.

Postgres and Redis write their titles over their environment; their working directory is their data.
"""

import contextlib
from collections.abc import Iterator

import psutil

from switchboard.local.place import Place
from switchboard.local.programs import PLACE_MARK

RETITLED = {"postgres", "redis-server"}


def end(place: Place, *, within: float = 5.0) -> int:
    """Ends what still runs for this place, at first politely; how many there were."""
    found = sorted(_of(place), key=lambda process: process.pid)  # a supervisor before what it would start again
    for process in found:
        _signal(process, kill=place.throwaway)
    _, left = psutil.wait_procs(found, timeout=within)
    for process in left:
        _signal(process, kill=True)
    psutil.wait_procs(left, timeout=within)
    return len(found)


def _of(place: Place) -> Iterator[psutil.Process]:
    data = str(place.root / "data")
    myself = psutil.Process().pid
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(PLACE_MARK) == str(place.root)
            titled = process.name() in RETITLED and process.cwd().startswith(f"{data}/")
            if process.pid != myself and (marked or titled):
                yield process
        except psutil.Error:
            continue  # gone, or somebody else's


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill() if kill else process.terminate()
