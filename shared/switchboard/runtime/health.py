"""What a process says about itself: it turns (`/livez`), it can serve (`/readyz`), its work moves
(`/health`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

Check = Callable[[], Awaitable[object]]
Facts = Callable[[], Mapping[str, Any]]
State = Literal["starting", "ready", "draining"]

CHECK_SECONDS = 2.0
FRESH_SECONDS = 0.5  # gateways probe twice a second, each of them: they share a result
# A check that only takes too long may be waiting behind requests: an instance under load is no instance to eject.
SLOW_SECONDS = 5.0


@dataclass
class _Registered:
    check: Check
    ready: bool
    within: float
    running: asyncio.Task[str] | None = None
    result: str = ""
    at: float = float("-inf")
    last_good: float = float("-inf")
    slow: bool = False

    def lets_requests_in(self, slow_for: float) -> bool:
        """Whether it is good enough to be ready: passed, or passed lately and only slow now."""
        return self.result == "ok" or (self.slow and monotonic() - self.last_good < slow_for)


class Health:
    """The checks of one process, and whether it is starting, ready or draining.

    A check is `async () -> None` that raises on trouble; the error's text is the reason shown. Those added
    with `ready=True` also decide over `/readyz`, and so over whether requests come here at all: only what no
    request can do without (the own database). Stalled work is `ready=False`: it degrades `/health` and raises
    an alert.
    """

    def __init__(
        self, instance: str, *, within: float = CHECK_SECONDS, fresh: float = FRESH_SECONDS, slow: float = SLOW_SECONDS
    ) -> None:
        self.instance = instance
        self.state: State = "starting"
        self.waiting_for = ""  # while starting
        self._checks: dict[str, _Registered] = {}
        self._facts: dict[str, Facts] = {}
        self._since = monotonic()
        self._within = within
        self._fresh = fresh
        self._slow = slow

    def add(self, name: str, check: Check, *, ready: bool) -> None:
        """Register a check. Its name is shown in `/health`."""
        if name in self._checks:
            raise ValueError(f"there is a health check {name!r} already")
        self._checks[name] = _Registered(check, ready, self._within)

    def tell(self, name: str, facts: Facts) -> None:
        """Show in `/readyz` and `/health`, as `name`, what `facts` knows without asking anybody. It decides nothing."""
        self._facts[name] = facts

    def opened(self) -> None:
        """The process has all that it needs."""
        self.state = "ready"

    def drain(self) -> None:
        """The process is about to end: send no more requests."""
        self.state = "draining"

    async def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether requests are welcome, and the answer of `/readyz`."""
        checks = await self._results(only_ready=True) if self.state == "ready" else {}
        ready = self.state == "ready" and all(self._checks[name].lets_requests_in(self._slow) for name in checks)
        status = self.state if self.state != "ready" or ready else "unready"
        report = {"status": status, "instance": self.instance, "checks": checks or self._start()}
        return ready, report | self._told()

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and the answer of `/health`, in the shape of the original's."""
        checks = await self._results() or self._start()
        healthy = self.state == "ready" and all(result == "ok" for result in checks.values())
        report = {
            "status": "ok" if healthy else "degraded",
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "instance": self.instance,
            "uptime": round(monotonic() - self._since, 1),
            "state": self.state,
            "checks": checks,
        }
        return healthy, report | self._told()

    def _told(self) -> dict[str, Any]:
        return {name: dict(facts()) for name, facts in self._facts.items()} if self.state != "starting" else {}

    def passed(self) -> dict[str, bool]:
        """How each check ended last; those that were never run are left out."""
        return {name: check.result == "ok" for name, check in self._checks.items() if check.result}

    def _start(self) -> dict[str, str]:
        return {"start": f"error: {self.waiting_for}"} if self.waiting_for else {}

    async def _results(self, *, only_ready: bool = False) -> dict[str, str]:
        wanted = {name: check for name, check in self._checks.items() if check.ready or not only_ready}
        results = await asyncio.gather(*(_result(registered, self._fresh) for registered in wanted.values()))
        return dict(zip(wanted, results, strict=True))


async def _result(registered: _Registered, fresh: float) -> str:
    """`ok` or `error: ...`; callers at the same time share one check."""
    if monotonic() - registered.at < fresh:
        return registered.result
    if registered.running is None:
        registered.running = asyncio.create_task(_run(registered))
    return await asyncio.shield(registered.running)


async def _run(registered: _Registered) -> str:
    registered.slow = False
    try:
        async with asyncio.timeout(registered.within):
            await registered.check()
        result = "ok"
        registered.last_good = monotonic()
    except TimeoutError:
        result = f"error: no answer within {registered.within:g} s"
        registered.slow = True
    except Exception as error:
        result = f"error: {str(error) or type(error).__name__}"
    registered.result, registered.at, registered.running = result, monotonic(), None
    return result
