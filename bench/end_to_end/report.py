"""The tables of a run, its goals, and whether its peers were honest."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from bench.end_to_end.measurements import DEFAULT, MOST, Figures, Idle, Point, figures_of, idle_of
from bench.end_to_end.state import State

OURS, ORIGINAL, PLAIN = "ours", "original", "plain-python"
SLOWED = "ours, slowed"
SYSTEMS = (OURS, SLOWED, ORIGINAL, PLAIN)
KINDS = ("note", "sms")
TIMES_THE_PLAIN = 1.3  # what the original's design must hear, for its tuning to count as its authors'
PEERS_ANSWER_MS = 20.0  # p99 at 100 a second

Lines = list[tuple[str, str, Point, Figures]]


def lines_of(state: State, rounds: int, points: Sequence[Point]) -> Lines:
    return [
        (system, kind, point, figures_of(found))
        for point in points
        for kind in KINDS
        for system in SYSTEMS
        if (found := state.figures(rounds, system, kind, point.name))
    ]


def main_table(lines: Lines) -> Table:
    """A line for each system and load. Ratios are to the original's design with notes at the same load."""
    table = Table(
        "load", "system", "message", "accepted/s", "heard/s", "×", "refused", "lost", "doubled", "out of order",
        "answer p50/p95/p99", "event p50/p95/p99", "CPU ms", "×", "wake-ups", "generator",
        title="One message, end to end",
    )  # fmt: skip
    original = {point.name: one for system, _, point, one in lines if system == ORIGINAL}
    for system, kind, point, one in lines:
        base = original.get(point.name)
        table.add_row(
            point.name, system, kind, f"{one.accepted:,.0f}", f"{one.heard:,.0f}",
            f"{one.heard / base.heard:.2f}" if base else "-",
            *(str(count) for count in (one.refused, one.lost, one.doubled, one.out_of_order)),
            "/".join(f"{ms:.1f}" for ms in one.answer), "/".join(f"{ms:.1f}" for ms in one.event),
            f"{one.cpu_of_all:.2f}", f"{one.cpu_of_all / base.cpu_of_all:.2f}" if base else "-",
            f"{one.wakeups:.0f}", f"{one.generator:.0%}",
        )  # fmt: skip
    return table


def cpu_table(lines: Lines) -> Table:
    """CPU per 1,000 messages by kind of process."""
    table = Table("load", "system", "message", "CPU seconds per 1,000 messages, by process", title="CPU by process")
    for system, kind, point, one in lines:
        parts = sorted(one.cpu.items(), key=lambda part: -part[1])
        shown = ", ".join(f"{name.removeprefix('server: ')} {ms:.2f}" for name, ms in parts if ms >= 0.01)
        table.add_row(point.name, system, kind, shown)
    return table


def idle_table(state: State, rounds: int) -> Table:
    """Idle cost: our services apart from servers and launcher."""
    table = Table("idle", "processes", "CPU of a core", "wake-ups/s", "memory, PSS", title="Idle")
    for system in SYSTEMS:
        found = state.idle(rounds, system)
        if found:
            for name, cpu, wakeups in _idle_lines(system, idle_of(found)):
                table.add_row(system, name, f"{cpu:.1%}", f"{wakeups:.0f}", f"{idle_of(found).memory / 1e6:.0f} MB")
    return table


def _idle_lines(system: str, idle: Idle) -> Iterator[tuple[str, float, float]]:
    def of(names: list[str]) -> tuple[float, float]:
        return sum(idle.cpu[name] for name in names), sum(idle.wakeups[name] for name in names)

    services = [name for name in idle.cpu if not name.startswith("server:") and name != "launcher"]
    if system == OURS:
        yield "services", *of(services)
        yield "servers, launcher", *of([name for name in idle.cpu if name not in services])
    else:
        yield "all", *of(list(idle.cpu))


def conditions(state: State, rounds: int) -> list[str]:
    """Say what keeps the run from counting: peers that were not at their best."""
    faults = []
    most = {s: state.figures(rounds, s, "note", MOST.name) for s in (ORIGINAL, PLAIN)}
    if all(most.values()):
        original, plain = (figures_of(most[s]).heard for s in (ORIGINAL, PLAIN))
        if original < TIMES_THE_PLAIN * plain:
            faults.append(f"the original's design heard {original / plain:.2f} times what plain Python did, not 1.3")
    for system in (ORIGINAL, PLAIN):
        at_100 = state.figures(rounds, system, "note", DEFAULT[1].name)
        if at_100 and figures_of(at_100).answer[2] >= PEERS_ANSWER_MS:
            faults.append(f"{system} answered at 100/s with p99 {figures_of(at_100).answer[2]:.0f} ms, not under 20")
    return faults
