"""What a stack costs while nobody uses it: CPU, wake-ups and memory of each process, and transactions of Postgres.

`python -m bench.idle [--seconds N] [DIR]`: DIR is the directory of the stack, by default that of `make up`. Processes
that start or end meanwhile are left out. A wake-up is a voluntary context switch.
"""

import argparse
import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
from rich.table import Table

from switchboard.local import orphans
from switchboard.local.ports import Ports
from switchboard.local.postgres import Postgres
from switchboard.local.secrets import Secrets
from switchboard.local.stack_directory import StackDirectory
from switchboard.runtime.terminal import Terminal

TRANSACTIONS = "select sum(xact_commit + xact_rollback)::bigint from pg_stat_database"
STATISTICS_SECONDS = 1.5  # a backend reports its transactions after a second at the latest


@dataclass(frozen=True)
class Usage:
    """What a process has used since its start, and its memory now (PSS, in bytes)."""

    name: str
    cpu: float
    wakeups: int
    memory: int

    def since(self, before: "Usage") -> "Usage":
        return Usage(self.name, self.cpu - before.cpu, self.wakeups - before.wakeups, self.memory)


def name_of(process: psutil.Process) -> str:
    """Name a service's process by its package, and a server's process by its program."""
    command = process.cmdline()
    if "-m" in command:
        module = command[command.index("-m") + 1]
        return "launcher" if module == "switchboard.local.preloading" else module
    program = Path(process.name()).name
    return "server: " + {"beam.smp": "rabbitmq", "erl_child_setup": "rabbitmq"}.get(program, program)


def usage_of(process: psutil.Process) -> Usage:
    """Add up the process's threads: the kernel counts switches by thread."""
    times = process.cpu_times()
    wakeups = 0
    for status in Path(f"/proc/{process.pid}/task").glob("*/status"):
        text = status.read_text()
        wakeups += int(text.partition("\nvoluntary_ctxt_switches:")[2].split(None, 1)[0])
    return Usage(name_of(process), times.user + times.system, wakeups, process.memory_full_info().pss)


def sample(stack_dir: StackDirectory) -> dict[psutil.Process, Usage]:
    """Return the usage of each process of the stack."""
    found = {}
    for process in orphans.processes_of(stack_dir):
        try:
            found[process] = usage_of(process)
        except (psutil.Error, OSError, IndexError):
            continue  # ended meanwhile
    return found


def by_name(before: dict[psutil.Process, Usage], after: dict[psutil.Process, Usage]) -> dict[str, list[Usage]]:
    """Group what processes used between two samples: services first, servers and the launcher last."""
    used: dict[str, list[Usage]] = defaultdict(list)
    for process, usage in after.items():
        if process in before:
            used[usage.name].append(usage.since(before[process]))
    return dict(sorted(used.items(), key=lambda item: (_is_ours(item[0]) is False, item[0])))


def _is_ours(name: str) -> bool:
    return not name.startswith("server:") and name != "launcher"


def lines(used: dict[str, list[Usage]], seconds: float) -> Iterator[tuple[str, str, str, str, str]]:
    """Return the table's lines: name, processes, CPU in percent of a core, wake-ups per second, MB."""
    ours = [usage for name, usages in used.items() if _is_ours(name) for usage in usages]
    everything = [usage for usages in used.values() for usage in usages]
    for name, usages in [*used.items(), ("our processes", ours), ("everything", everything)]:
        cpu = sum(usage.cpu for usage in usages) / seconds
        wakeups = sum(usage.wakeups for usage in usages) / seconds
        memory = sum(usage.memory for usage in usages) / 1e6
        yield name, str(len(usages)), f"{cpu:.2%}", f"{wakeups:.1f}", f"{memory:.0f}"


async def _transactions(url: str) -> int:
    conn = await asyncpg.connect(url, timeout=5)
    try:
        return int(await conn.fetchval(TRANSACTIONS))
    finally:
        await conn.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("directory", type=Path, nargs="?", default=StackDirectory.of_repository().root)
    options = parser.parse_args()
    stack_dir = StackDirectory(options.directory.resolve())
    url = Postgres(stack_dir, Ports.of(stack_dir.root), Secrets.of(stack_dir.secrets)).url
    transactions, started, before = asyncio.run(_transactions(url)), time.monotonic(), sample(stack_dir)
    time.sleep(options.seconds)
    seconds, after = time.monotonic() - started, sample(stack_dir)
    time.sleep(STATISTICS_SECONDS)
    per_second = (asyncio.run(_transactions(url)) - transactions) / (seconds + STATISTICS_SECONDS)
    table = Table("idle", "processes", "CPU", "wake-ups/s", "PSS, MB", box=None, pad_edge=False)
    for line in lines(by_name(before, after), seconds):
        table.add_row(*line)
    Terminal().print(table)
    Terminal().print(f"{per_second:.1f} transactions/s in Postgres")


if __name__ == "__main__":
    main()
