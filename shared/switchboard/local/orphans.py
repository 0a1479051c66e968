"""End processes that outlived their supervisor, found by an environment variable or their working directory.

Postgres and Redis write their titles over their environment; their working directory is their data.
"""

import contextlib
from collections.abc import Iterator

import psutil

from switchboard.local.programs import STACK_VARIABLE
from switchboard.local.stack_directory import StackDirectory

RETITLED = {"postgres", "redis-server"}


def end(stack_dir: StackDirectory, *, within: float = 5.0) -> int:
    """End all processes of this directory: SIGTERM, then SIGKILL. Returns the number of processes."""
    found = sorted(
        processes_of(stack_dir), key=lambda process: process.pid
    )  # the supervisor first: it would restart the rest
    for process in found:
        _signal(process, kill=stack_dir.throwaway)
    _, left = psutil.wait_procs(found, timeout=within)
    for process in left:
        _signal(process, kill=True)
    psutil.wait_procs(left, timeout=within)
    return len(found)


def processes_of(stack_dir: StackDirectory) -> Iterator[psutil.Process]:
    """Yield the processes of this directory, the supervisor among them."""
    data = str(stack_dir.root / "data")
    myself = psutil.Process().pid
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(STACK_VARIABLE) == str(stack_dir.root)
            titled = process.name() in RETITLED and process.cwd().startswith(f"{data}/")
            if process.pid != myself and (marked or titled):
                yield process
        except psutil.Error:
            continue  # gone, or another user's


def _signal(process: psutil.Process, *, kill: bool) -> None:
    with contextlib.suppress(psutil.Error):
        process.kill() if kill else process.terminate()
