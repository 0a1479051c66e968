"""The supervisor of a stack: supervisord, controlled over its XML-RPC interface on loopback."""

import contextlib
import subprocess
import time
import xmlrpc.client
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from switchboard.local import orphans
from switchboard.local.ports import Ports
from switchboard.local.programs import STACK_VARIABLE, Program, supervisord, write_config
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory

ALIVE, DOWN = {10, 20}, {0, 100, 200, 1000}  # starting, running; stopped, exited, fatal, unknown


class SupervisorFailed(Exception):
    """The supervisor didn't start or doesn't answer."""


@dataclass(frozen=True)
class Changes:
    """Names of programs: new or changed ones, and removed ones."""

    all: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True)
class Supervisor:
    stack_dir: StackDirectory
    port: int
    password: str

    @classmethod
    def of(cls, stack_dir: StackDirectory, ports: Ports, secrets: Secrets) -> "Supervisor":
        return cls(stack_dir, ports.get("supervisor"), secrets.password("supervisor"))

    @property
    def pid(self) -> int | None:
        return running_pid(self.stack_dir)

    def write(self, programs: Sequence[Program]) -> None:
        write_config(self.stack_dir, programs, port=self.port, password=self.password)

    def start(self, environment: dict[str, str], *, preload: bool = False) -> None:
        """Start supervisord in the background, with its autostart programs. `preload`: see `programs.supervisord`."""
        marked = {**environment, STACK_VARIABLE: str(self.stack_dir.root)}
        command = supervisord(self.stack_dir, preload=preload)
        started = subprocess.run(command, env=marked, check=False, capture_output=True, text=True)
        if started.returncode:
            raise SupervisorFailed(f"supervisord: {started.stderr.strip() or started.stdout.strip()}")
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline:
                raise SupervisorFailed(f"supervisord doesn't answer; see {self.stack_dir.log('supervisord')}")
            time.sleep(0.05)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Return supervisord's report on each program, by name; empty when it isn't running."""
        if self.pid is None:
            return {}
        found: Any = self._call("getAllProcessInfo")
        return {process["name"]: process for process in found}

    def changes(self) -> Changes:
        """Compare the configuration on disk with the running programs, without applying it."""
        [[added, changed, removed]] = self._call("reloadConfig")
        return Changes(frozenset([*added, *changed]), frozenset(removed))

    def replace(self, names: Collection[str]) -> None:
        """Stop these programs and add them again with their current configuration."""
        self.remove([name for name in names if name in self.processes()])
        for name in sorted(names):
            self._call("addProcessGroup", name)

    def remove(self, names: Collection[str]) -> None:
        self.stop(names)
        for name in names:
            self._call("removeProcessGroup", name)

    def runs(self, name: str) -> bool:
        process = self.processes().get(name)
        return process is not None and process["state"] not in DOWN

    def start_programs(self, names: Iterable[str]) -> None:
        """Start the stopped ones of these programs, without waiting."""
        processes = self.processes()
        for name in names:
            if processes[name]["state"] in DOWN:
                with contextlib.suppress(xmlrpc.client.Fault):  # started meanwhile
                    self._call("startProcess", name, False)

    def stop(self, names: Collection[str]) -> None:
        """Signal all of these programs at once, and wait until the last has ended."""
        processes = self.processes()
        for name in names:
            if name in processes and processes[name]["state"] not in DOWN:
                with contextlib.suppress(xmlrpc.client.Fault):  # ended meanwhile
                    self._call("stopProcess", name, False)
        while any(p["state"] not in DOWN for p in self.processes().values() if p["name"] in names):
            time.sleep(0.05)

    def shut_down(self, last: Collection[str]) -> None:
        """Stop every program, those named `last` at the end, then the supervisor and orphaned processes."""
        if (pid := self.pid) is not None:
            self.stop([name for name in self.processes() if name not in last])
            self.stop(last)
            self._call("shutdown")
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).wait(timeout=10)
        orphans.end(self.stack_dir)

    def _answers(self) -> bool:
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        url = f"http://switchboard:{self.password}@127.0.0.1:{self.port}/RPC2"
        with xmlrpc.client.ServerProxy(url) as server:
            return getattr(server.supervisor, method)(*arguments)


def running_pid(stack_dir: StackDirectory) -> int | None:
    """Return the pid of the running supervisor of this directory; None for a stale or reused pid."""
    try:
        pid = int((stack_dir.root / "supervisord.pid").read_text())
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if str(stack_dir.supervisor_config) in command else None
