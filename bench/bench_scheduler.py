"""Benchmark the scheduler: lateness, throughput and idle CPU, compared with pgqueuer and procrastinate.

`python -m bench.bench_scheduler [--quick]`. The scheduler is measured from the due time to the arrival of the
confirmed command at a consumer; the others to the start of the handler in their worker. They are left out
where they aren't installed: `pip install --target .local/bench -r requirements/bench.in`.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from bench.scheduler.ours import Ours, cpu, now, open_ours
from switchboard.runtime.terminal import Terminal
from switchboard.testing.brokers import VirtualHosts
from switchboard.testing.databases import Databases
from switchboard.testing.servers import begin_run, end_run, find_servers

FOREIGN = Path(".local/bench")
LEAD = timedelta(seconds=4)
IDLE_SECONDS = 10.0
FUTURE_ROWS = 1_000_000

Rows = list[tuple[str, str, str, str]]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def lateness(values: list[float]) -> tuple[str, str]:
    """Format p50 and p99 in milliseconds."""
    return f"{percentile(values, 0.5) * 1000:,.1f}", f"{percentile(values, 0.99) * 1000:,.1f}"


async def ours_late(ours: Ours, count: int, spread: float) -> tuple[str, str]:
    await ours.plan(count, now() + LEAD, spread)
    await ours.all_heard(count)
    return lateness(ours.late)


async def ours_rate(ours: Ours, count: int, kind: str) -> str:
    """Measure occurrences a second, from the arrival of the first command to the last."""
    await ours.plan(count, now() - timedelta(seconds=60), 1, kind)
    await ours.all_heard(count)
    return f"{(count - 1) / (ours.arrived[-1] - ours.arrived[0]):,.0f}"


async def ours_idle(ours: Ours) -> str:
    """Measure the CPU of an idle leader with a million future rows, as a share of one core."""
    await ours.plan(FUTURE_ROWS, now() + timedelta(days=30), 86_400)
    await asyncio.sleep(3)
    before = cpu(ours.process)
    await asyncio.sleep(IDLE_SECONDS)
    return f"{(cpu(ours.process) - before) / IDLE_SECONDS:.2%}"


def foreign(library: str, url: str, count: int, spread: float) -> list[float] | None:
    """Measure another library's lateness in seconds; None if it isn't installed."""
    environment = {**os.environ, "PYTHONPATH": str(FOREIGN.resolve())}
    command = [sys.executable, "-m", "bench.scheduler.foreign", library, url, str(count), str(spread)]
    ran = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=400)
    if ran.returncode:
        print(f"{library}: {ran.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    found: list[float] = json.loads(ran.stdout.splitlines()[-1])
    return found


async def measure(database_url: str, amqp_url: str, fresh: Callable[[], str], *, quick: bool) -> Rows:
    rows: Rows = []
    bursts = [(1000, 0.0), (1000, 1.0)] if quick else [(1000, 0.0), (10_000, 0.0), (1000, 1.0)]
    async with open_ours(database_url, amqp_url) as ours:
        await ours_late(ours, 100, 0)  # warm
        for count, spread in bursts:
            rows.append((_name(count, spread), "ours", *await ours_late(ours, count, spread)))
        for kind, messages in (("call", "1 message each"), ("reminder", "2 messages each")):
            rate = await ours_rate(ours, 5000 if quick else 20_000, kind)
            rows.append((f"{kind}s a second, {messages}", "ours", rate, ""))
        if not quick:
            rows.append(("idle, a million rows ahead: CPU", "ours", await ours_idle(ours), ""))
    for library in ("pgqueuer", "procrastinate"):
        for count, spread in [burst for burst in bursts if burst[0] <= 1000]:
            late = await asyncio.to_thread(foreign, library, fresh(), count, spread)
            if late is None:
                break
            rows.append((_name(count, spread), library, *lateness(late)))
    return rows


def _name(count: int, spread: float) -> str:
    when = f"spread over {spread:g} s" if spread else "due at one instant"
    return f"{count:,} {when}: ms late"


def table(rows: Rows) -> Table:
    shown = Table("what", "library", "p50 or figure", "p99", title="scheduler")
    for row in sorted(rows, key=lambda row: (row[0].startswith(("call", "reminder", "idle")), row[0])):
        shown.add_row(*row)
    return shown


def main(*, quick: bool = False) -> None:
    begin_run()
    servers = find_servers()
    databases = Databases(servers.database_url)
    hosts = VirtualHosts(servers.amqp_management_url, servers.amqp_url)
    host, url, others = hosts.fresh(), databases.fresh("scheduler"), list[str]()

    def fresh() -> str:
        others.append(databases.empty())
        return others[-1]

    try:
        rows = asyncio.run(measure(url, hosts.url(host), fresh, quick=quick))
        Terminal().print(table(rows))
    finally:
        hosts.drop(host)
        for each in (url, *others):
            databases.drop(each)
        databases.close()
        end_run()


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
