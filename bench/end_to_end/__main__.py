"""Measure one message end to end: ours beside the original's design and a plain Python one, in interleaved rounds.

`make bench-e2e [ARGS=...]`. `--quick`: ours alone, one round, about a minute. `--all`: one axis at a time as well;
an interrupted run goes on where it was. `--prove`: shows that 5 ms of sleep in a handler move the figures that they
should. `--counts`: what one message makes the servers do. `--keep`: write the tables to `docs/numbers.md`.
"""

import argparse
import io
import itertools
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench import numbers
from bench.end_to_end import counts, report
from bench.end_to_end.generator import BUILD, Load, generate
from bench.end_to_end.measurements import AXES, DEFAULT, MOST, Point, kinds_of, measure, measure_idle
from bench.end_to_end.ours import Ours
from bench.end_to_end.peers import ORIGINAL, PLAIN
from bench.end_to_end.slowed import SlowedStack
from bench.end_to_end.state import State
from bench.end_to_end.systems import RunningSystem, System
from switchboard.runtime.terminal import Terminal

ROUNDS = 3

_conversations = itertools.count(int(time.time()) % 1000 * 9_000, 20_000)


def measure_points(running: RunningSystem, name: str, points: Sequence[Point], number: int, state: State) -> None:
    for point in points:
        for kind in kinds_of(running, point):
            if state.has(number, name, kind, point.name):
                continue
            figures = measure(running, kind, point, next(_conversations))
            state.put(figures, number, name, kind, point.name)
            say(f"  {name}, {kind}, {point.name}: {figures.heard:,.0f} heard/s, {figures.cpu_of_all:.2f} ms of CPU")
            _let_rest(running, kind)


def _let_rest(running: RunningSystem, kind: str) -> None:
    """What is still being sent belongs to this load and not to the next one."""
    time.sleep(0.5 if kind == "note" else 5.0)
    running.settle()


def run_round(system: System, number: int, points: Sequence[Point], state: State) -> None:
    """Measure one system once. Points with the same users share a start."""
    by_users: dict[tuple[int, int], list[Point]] = {}
    for point in points:
        by_users.setdefault((point.users, point.tenants), []).append(point)
    for (users, tenants), of_users in by_users.items():
        if all(state.has(number, system.name, "note", point.name) for point in of_users):
            continue
        with system.running(users, tenants) as running:
            if not state.has(number, system.name, "idle"):
                state.put(measure_idle(running, time.sleep), number, system.name, "idle")
            measure_points(running, system.name, of_users, number, state)


def compare(options: argparse.Namespace) -> list[Table]:
    """Measure all systems in interleaved rounds."""
    rounds = 1 if options.quick else ROUNDS
    systems: list[System] = [Ours()] if options.quick else [Ours(), ORIGINAL, PLAIN]
    points = [*DEFAULT, *(AXES if options.all else ())]
    state = State(BUILD / "state.json" if options.all else None)
    for number in range(rounds):
        for system in systems:
            say(f"round {number + 1} of {rounds}: {system.name}")
            run_round(system, number, points, state)
    lines = report.lines_of(state, rounds, points)
    for fault in report.conditions(state, rounds):
        say(f"this run does not count: {fault}")
    tables = [report.main_table(lines), report.cpu_table(lines), report.idle_table(state, rounds)]
    state.forget()
    return tables


def prove() -> list[Table]:
    """Measure with 5 ms of sleep in the handler of a new message, and without it."""
    state, points = State(None), [DEFAULT[1], MOST]
    for system in (Ours(), Ours(stack_class=SlowedStack, name=report.SLOWED)):
        run_round(system, 0, points, state)
    return [report.main_table(report.lines_of(state, 1, points))]


def count() -> list[Table]:
    """Count what one message makes the servers do."""
    system = Ours(BUILD / "counted")
    with system.running(64, 64) as running:
        counts.prepare(running.stack)  # takes effect at the next start
    with system.running(64, 64) as running:

        def send(kind: str, seconds: float) -> int:
            load = Load(seconds, rate=20.0, first=next(_conversations))
            return generate(running.accounts(kind), load, lambda: None)[0].accepted

        return [counts.table_of(counts.count_messages(running.stack, running.kinds, send))]


def main() -> int:
    options = _options()
    tables = count() if options.counts else prove() if options.prove else compare(options)
    text = io.StringIO()
    for table in tables:
        Console(file=text, width=200).print(table)
    sys.stdout.write(text.getvalue())
    if options.keep:
        numbers.keep("bench-e2e-counts" if options.counts else "bench-e2e", f"```\n{text.getvalue()}```")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.end_to_end", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("quick", "all", "prove", "counts", "keep"):
        parser.add_argument(f"--{name}", action="store_true")
    return parser.parse_args()


def say(text: str) -> None:
    Terminal().print(text)


if __name__ == "__main__":
    sys.exit(main())
