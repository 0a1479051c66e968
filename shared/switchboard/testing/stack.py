"""A running stack for end-to-end tests: its gateways, processes, settings and logs."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from switchboard.cli.operator import read_environment
from switchboard.local.stack import Stack
from switchboard.local.stack_directory import StackDirectory
from switchboard.local.status import StatusRow, rows
from switchboard.testing.servers import started

RUNNING_STACK = "SWITCHBOARD_URLS"


@dataclass(frozen=True)
class RunningStack:
    """A stack behind `gateways`; `stack_dir` is None for one that was started elsewhere."""

    gateways: list[str]
    stack_dir: Path | None = None
    sign_in_provider: str | None = None  # the URL at which the OpenID provider `mock` must listen

    def instances(self, service: str | None = None) -> list[StatusRow]:
        """Return a row for each process, servers included, like `bin/switchboard status`."""
        return [row for row in rows(self._stack()) if service in (None, row.service)]

    def pid(self, instance: str) -> int | None:
        """Return the pid of `conversations-1`, `postgres`, ...; None while it is being restarted."""
        process = self._stack().supervisor.processes()[instance]
        return process["pid"] or None

    def kill(self, instance: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to an instance, and return its pid. The supervisor restarts it when it dies."""
        pid = self.pid(instance)
        if pid is None:
            raise ProcessLookupError(f"{instance} isn't running")
        os.kill(pid, number)
        return pid

    def restart_server(self, name: str) -> None:
        """Kill `postgres`, `rabbitmq`, `redis` or `store`; the supervisor restarts it. Returns at once."""
        self.kill(name)

    def is_healthy(self, instance: str) -> bool:
        return any(row.healthy for row in self.instances() if row.instance == instance)

    def environment(self, service: str) -> dict[str, str]:
        """Return the settings of a service, such as its DATABASE_URL."""
        return read_environment(self.place().env / f"{service}.env")

    @property
    def management_url(self) -> str:
        """The URL of the broker's management interface, with the administrator's credentials."""
        return str(self._stack().servers.rabbitmq.management_url)

    def log(self, instance: str) -> str:
        return self.place().log(instance).read_text()

    def logs(self) -> Path:
        """The directory of all logs."""
        return self.place().root / "log"

    def _stack(self) -> Stack:
        return Stack.at(self.place(), {})

    def place(self) -> StackDirectory:
        """Its directory. Skips where only the gateways are known."""
        if self.stack_dir is None:
            pytest.skip(f"only the gateways are known of a stack that {RUNNING_STACK} names")
        return StackDirectory(self.stack_dir, throwaway=True)


def find_stack() -> RunningStack:
    """Return the stack of `SWITCHBOARD_URLS` (comma-separated gateways), else a private one of this run."""
    if urls := os.environ.get(RUNNING_STACK):
        return RunningStack([url.strip().rstrip("/") for url in urls.split(",")])
    announced: dict[str, Any] = started("stack", "switchboard.local", "stack")
    return RunningStack(announced["gateways"], Path(announced["place"]), announced["sign_in_provider"])
