"""One set of servers for a whole test run, shared by its worker processes and started when first needed.

`SWITCHBOARD_TEST_SERVERS`: unset for private servers that end with the run; `containers` for testcontainers;
a directory for servers that `python -m switchboard.local servers --keep DIR` runs.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchboard.local.keeper import addresses_at
from switchboard.local.stack_directory import REPOSITORY

CHOICE = "SWITCHBOARD_TEST_SERVERS"
RUN = "SWITCHBOARD_TEST_RUN"  # the directory of this run, set by the main process
CONTAINERS = "containers"
STARTS_WITHIN = 240.0


@dataclass(frozen=True)
class PrivateServers:
    """Administrators' URLs of the servers, on which each test creates its database, virtual host and bucket."""

    database_url: str
    amqp_url: str
    amqp_management_url: str
    redis_url: str
    store: dict[str, str]  # the S3_... settings

    @classmethod
    def of(cls, addresses: dict[str, Any]) -> "PrivateServers":
        return cls(**{name: addresses[name] for name in cls.__dataclass_fields__})


class NoContainers(Exception):
    """Containers were requested, and there is no Docker to run them."""


def begin_run() -> None:
    """Choose the directory of this run, in the main process; its workers inherit it."""
    os.environ.setdefault(RUN, str(REPOSITORY / ".local" / f"test-{os.getpid()}"))


def end_run() -> None:
    """Stop all servers that were started for this run. Called in the main process."""
    for keeper in run_directory().glob("*/keeper.pid"):
        _stop(int(keeper.read_text()))
    for left in (*run_directory().glob("*.lock"), *run_directory().glob("*.log")):
        left.unlink()
    if run_directory().exists() and not any(run_directory().iterdir()):
        run_directory().rmdir()


def run_directory() -> Path:
    return Path(os.environ[RUN])


def find_servers() -> PrivateServers:
    """Return the servers of this run; the first caller starts them."""
    choice = os.environ.get(CHOICE, "")
    if choice == CONTAINERS:
        _require_engine()
        return PrivateServers.of(started("containers", "switchboard.testing.containers"))
    if choice:
        return _kept(Path(choice))
    return PrivateServers.of(started("servers", "switchboard.local", "servers"))


def started(name: str, module: str, *arguments: str) -> dict[str, Any]:
    """Return the addresses announced by the keeper `name`; start it unless it runs. It ends with this run."""
    directory = run_directory() / name
    directory.mkdir(parents=True, exist_ok=True)
    with (run_directory() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (addresses := addresses_at(directory)) is None:
            addresses = _start(directory, [module, *arguments])
        return addresses


def _start(directory: Path, module: list[str]) -> dict[str, Any]:
    master = directory.parent.name.rpartition("-")[2]
    command = [sys.executable, "-m", *module, "--keep", str(directory), "--until-exit-of", master]
    log = directory.parent / f"{directory.name}.log"
    with log.open("w") as output:
        keeper = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    (directory / "keeper.pid").write_text(str(keeper.pid))
    deadline = time.monotonic() + STARTS_WITHIN
    while (addresses := addresses_at(directory)) is None:
        if keeper.poll() is not None or time.monotonic() > deadline:
            keeper.terminate()
            keeper.wait()
            raise RuntimeError(f"{module[0]} didn't start:\n{log.read_text()[-4000:]}")
        time.sleep(0.05)
    return addresses


def _stop(keeper: int) -> None:
    try:
        os.kill(keeper, signal.SIGTERM)
        while os.waitpid(keeper, os.WNOHANG) == (0, 0):
            time.sleep(0.05)
    except ChildProcessError:  # started by a worker: can't be waited for
        _wait_until_gone(keeper)
    except ProcessLookupError:
        return


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _require_engine() -> None:
    from switchboard.testing.containers import engine_answers

    if not engine_answers():
        raise NoContainers(f"{CHOICE}={CONTAINERS}, and no Docker engine answers")


def _kept(directory: Path) -> PrivateServers:
    if (addresses := addresses_at(directory)) is None:
        raise RuntimeError(
            f"no servers are kept in {directory}: python -m switchboard.local servers --keep {directory}"
        )
    return PrivateServers.of(addresses)
