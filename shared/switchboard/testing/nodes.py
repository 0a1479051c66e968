"""Runs the nodes of a cluster for a test module: starts, stops and kills them one by one."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from switchboard.local import orphans, probes
from switchboard.local.ports import Ports
from switchboard.local.programs import Program
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory
from switchboard.local.supervisor import Supervisor

STARTS_WITHIN = 90.0


@dataclass(frozen=True)
class Nodes:
    """The supervised nodes of one directory. A killed node is restarted, a stopped one is not."""

    stack_dir: StackDirectory
    ports: Ports
    secrets: Secrets
    programs: list[Program]

    @property
    def supervisor(self) -> Supervisor:
        return Supervisor.of(self.stack_dir, self.ports, self.secrets)

    def start(self, programs: Sequence[Program], urls: Sequence[str] = ()) -> None:
        """Add programs, and wait until these URLs answer."""
        self.programs.extend(programs)
        self.supervisor.write(self.programs)
        if self.supervisor.pid is None:
            self.supervisor.start(dict(os.environ))
        else:
            self.supervisor.replace(self.supervisor.changes().all)
        if urls:
            probes.wait_for({url: url for url in urls}, within=STARTS_WITHIN)

    def restart(self, name: str) -> None:
        """Start a stopped node again."""
        self.supervisor.start_programs([name])

    def stop(self, name: str) -> None:
        """Kill a node, and don't restart it."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGCONT)
        self.supervisor.stop([name])

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a node's main process."""
        os.kill(self.pid(name), number)

    def pid(self, name: str) -> int:
        """The pid of a running node; waits while it is being restarted."""
        deadline = time.monotonic() + STARTS_WITHIN
        while not (pid := self.supervisor.processes()[name]["pid"]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} does not start; see {self.stack_dir.log(name)}")
            time.sleep(0.05)
        return int(pid)


@contextmanager
def open_nodes(directory: Path) -> Iterator[Nodes]:
    """An empty set of nodes; at the end they are killed and their data is removed."""
    stack_dir = StackDirectory(directory.resolve(), throwaway=True)
    stack_dir.create()
    directory.chmod(0o711)  # the `postgres` user passes through it
    try:
        yield Nodes(stack_dir, Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets), [])
    finally:
        orphans.end(stack_dir)
        shutil.rmtree(stack_dir.root, ignore_errors=True)
