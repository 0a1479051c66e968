"""What is measured: points, and their figures."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.end_to_end.generator import Load, generate
from bench.end_to_end.systems import RunningSystem, Sample, Used

IDLE = "idle"
SETTLE_SECONDS = 20.0  # after the start


@dataclass(frozen=True)
class Point:
    """One load on one system. `rate` 0 and `in_flight`: the most that it carries. `length`: of the conversations."""

    rate: float = 0.0
    in_flight: int = 0
    length: int = 10
    users: int = 64
    tenants: int = 64
    seconds: float = 8.0

    @property
    def name(self) -> str:
        load = f"{self.rate:.0f}/s" if self.rate else f"most, {self.in_flight} in flight"
        where = "" if self.users == self.tenants == 64 else f", {self.tenants} tenants of {self.users // self.tenants}"
        return load + where + ("" if self.length == 10 else f", conversations of {self.length:,}")


MOST = Point(in_flight=32)
DEFAULT = (Point(rate=20), Point(rate=100), MOST)
AXES = (
    Point(in_flight=1),
    Point(rate=300),
    Point(rate=1000),
    Point(in_flight=32, tenants=1),
    Point(in_flight=32, users=1000, tenants=1000),
    Point(in_flight=32, length=1000, users=16, tenants=16),
    Point(in_flight=32, length=10_000, users=16, tenants=16),
)


@dataclass(frozen=True)
class Figures:
    """A measurement. CPU is in milliseconds per message that was heard, latencies in milliseconds (p50, p95, p99)."""

    accepted: float  # a second
    heard: float  # a second
    refused: int
    lost: int
    doubled: int
    out_of_order: int
    answer: list[float]
    event: list[float]
    cpu: dict[str, float]
    wakeups: float  # per message
    generator: float  # its CPU as a share of the system's
    memory: int

    @property
    def cpu_of_all(self) -> float:
        return sum(self.cpu.values())


def measure(system: RunningSystem, kind: str, point: Point, first: int) -> Figures:
    """Run one load. `first`: the number of the first conversation, which nobody has used."""
    endless = point.length if point.length == 10 else 1_000_000
    load = Load(point.seconds, point.rate, point.in_flight, endless, first=first)
    accounts = system.accounts(kind)
    if point.length != 10:
        generate(accounts, Load(1.0, rate=2.0 * len(accounts), size=endless, first=first), lambda: None)
        system.lengthen(first, point.length)
    generate(accounts, Load(1.0, rate=50.0, size=endless, first=first + 1), lambda: None)  # warm
    system.settle()
    heard, before, after = generate(accounts, load, lambda: Sample.of(system))
    used = Used.between(before, after)
    messages = max(1, heard.heard_in_time)
    cpu = {name: seconds / messages * 1e3 for name, seconds in used.cpu.items()}
    return Figures(
        accepted=heard.accepted / heard.seconds,
        heard=heard.heard_in_time / heard.seconds,
        refused=heard.refused,
        lost=heard.lost,
        doubled=heard.doubled,
        out_of_order=heard.out_of_order,
        answer=heard.answer,
        event=heard.event,
        cpu=cpu,
        wakeups=sum(used.wakeups.values()) / messages,
        generator=heard.cpu / max(1e-9, sum(used.cpu.values())),
        memory=used.memory,
    )


@dataclass(frozen=True)
class Idle:
    """CPU as a share of a core, and wake-ups a second, by kind of process; memory (PSS, bytes)."""

    cpu: dict[str, float]
    wakeups: dict[str, float]
    memory: int


def measure_idle(system: RunningSystem, pause: Callable[[float], None], seconds: float = 10.0) -> Idle:
    pause(SETTLE_SECONDS)
    before = Sample.of(system)
    pause(seconds)
    used = Used.between(before, Sample.of(system))
    return Idle(
        {name: cpu / used.seconds for name, cpu in used.cpu.items()},
        {name: count / used.seconds for name, count in used.wakeups.items()},
        used.memory,
    )


def medians(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the median of each number of several measurements; faults are added up."""
    merged: dict[str, Any] = {}
    for name in figures[0]:
        values = [one[name] for one in figures]
        if name in ("refused", "lost", "doubled", "out_of_order"):
            merged[name] = sum(values)
        elif isinstance(values[0], dict):
            names = dict.fromkeys(key for value in values for key in value)
            merged[name] = {key: median(value.get(key, 0.0) for value in values) for key in names}
        elif isinstance(values[0], list):
            merged[name] = [median(column) for column in zip(*values, strict=True)]
        else:
            merged[name] = median(values)
    return merged


def figures_of(rounds: list[Figures]) -> Figures:
    return Figures(**medians([asdict(one) for one in rounds]))


def idle_of(rounds: list[Idle]) -> Idle:
    return Idle(**medians([asdict(one) for one in rounds]))


def kinds_of(system: RunningSystem, point: Point) -> Iterator[str]:
    """The messages to measure: the axes, but for the rates, with notes alone."""
    yield from system.kinds if point.rate or point == MOST else system.kinds[:1]
