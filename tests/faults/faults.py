"""Draw and inject random faults: the same order for the same seed."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import asyncpg

from switchboard.local.services import INSTANCES, SERVICES

from .testbed import SERVERS, FaultTestbed

LONGEST_STOP = 10.0
SLOWED_BY = (0.02, 0.2)  # seconds, each way
DATABASES = tuple(service.database_name for service in SERVICES if service.database)


@dataclass(frozen=True)
class Fault:
    """One fault. `make` injects it and returns when it is over. `kind` doesn't name the target."""

    kind: str
    target: str
    make: Callable[[], Awaitable[None]]

    def __str__(self) -> str:
        return f"{self.kind}: {self.target}"


class FaultInjector:
    """Draws faults in rounds, each kind once a round, so that a short run injects most kinds and a long one all."""

    def __init__(self, testbed: FaultTestbed, seed: int) -> None:
        self._testbed = testbed
        self._random = random.Random(seed)
        self._processes = [f"{service.name}-{n}" for service in SERVICES for n in range(1, INSTANCES + 1)]

    def drawn(self) -> Iterator[Fault]:
        """Draw faults, endlessly."""
        kinds = [self._kill, self._stop, self._drain, *(self._server(name) for name in SERVERS), self._terminate]
        if self._testbed.proxies:
            kinds += [self._cut, self._slow]
        while True:
            round_ = list(kinds)
            self._random.shuffle(round_)
            for kind in round_:
                yield kind()

    def pause(self) -> float:
        """Draw the seconds until the next fault; 0 injects both at once."""
        return self._random.choice((0.0, 0.5, 1.0, 2.0))

    def _kill(self) -> Fault:
        target = self._random.choice(self._processes)

        async def make() -> None:
            self._signal(target, signal.SIGKILL)

        return Fault("process killed", target, make)

    def _drain(self) -> Fault:
        target = self._random.choice(self._processes)

        async def make() -> None:
            self._signal(target, signal.SIGTERM)

        return Fault("process drained", target, make)

    def _stop(self) -> Fault:
        target, seconds = self._random.choice(self._processes), self._random.uniform(1, LONGEST_STOP)

        async def make() -> None:
            pid = self._signal(target, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

        return Fault("process stopped", f"{target} for {seconds:.1f} s", make)

    def _server(self, name: str) -> Callable[[], Fault]:
        async def make() -> None:
            self._signal(name, signal.SIGKILL)

        return lambda: Fault(f"{name} killed", "and restarted", make)

    def _terminate(self) -> Fault:
        target = self._random.choice(DATABASES)

        async def make() -> None:
            url = self._testbed.stack.environment(target.removeprefix("switchboard_").replace("_", "-"))["DATABASE_URL"]
            # Several faults may be injected at once: an unreachable database has no backends to end.
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                conn = await asyncpg.connect(url, timeout=20)
                await conn.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
                await conn.close()

        return Fault("backends terminated", target, make)

    def _cut(self) -> Fault:
        target = self._random.choice(SERVERS)

        async def make() -> None:
            self._testbed.proxies[target].cut()

        return Fault("connections cut", target, make)

    def _slow(self) -> Fault:
        target, seconds = self._random.choice(SERVERS), self._random.uniform(1, 5)
        delay = self._random.uniform(*SLOWED_BY)

        async def make() -> None:
            proxy = self._testbed.proxies[target]
            proxy.delay = delay
            try:
                await asyncio.sleep(seconds)
            finally:
                proxy.delay = 0.0

        return Fault("connections slowed", f"{target} by {delay * 1000:.0f} ms for {seconds:.1f} s", make)

    def _signal(self, target: str, number: signal.Signals) -> int:
        try:
            return self._testbed.stack.kill(target, number)
        except ProcessLookupError:
            return 0  # it is down already
