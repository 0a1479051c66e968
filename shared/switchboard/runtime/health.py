"""Health checks: liveness (`/livez`), readiness (`/readyz`) and a full report (`/health`) of one process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Literal

Check = Callable[[], Awaitable[object]]
Details = Callable[[], Mapping[str, Any]]
State = Literal["starting", "ready", "draining"]

CHECK_SECONDS = 2.0
FRESH_SECONDS = 0.5  # every gateway probes twice a second: they share one result
# A check that times out may be queued behind requests. An instance under load stays ready for so long.
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

    def is_ready(self, slow_for: float) -> bool:
        """Whether it passed, or passed within the last `slow_for` seconds and times out now."""
        return self.result == "ok" or (self.slow and monotonic() - self.last_good < slow_for)


class Health:
    """The checks of one process, and whether it is starting, ready or draining.

    A check is `async () -> None` and raises when it fails. The error's text is the reason shown. A check with
    `ready=True` also decides readiness, and so whether the gateway sends requests here: use it only for what no
    request can do without (the service's own database). A failed check with `ready=False` degrades `/health` and
    raises an alert.
    """

    def __init__(
        self, instance: str, *, within: float = CHECK_SECONDS, fresh: float = FRESH_SECONDS, slow: float = SLOW_SECONDS
    ) -> None:
        self.instance = instance
        self.state: State = "starting"
        self.waiting_for = ""  # while starting
        self._checks: dict[str, _Registered] = {}
        self._details: dict[str, Details] = {}
        self._since = monotonic()
        self._within = within
        self._fresh = fresh
        self._slow = slow

    def add(self, name: str, check: Check, *, ready: bool) -> None:
        """Register a check. Its name is shown in `/health`."""
        if name in self._checks:
            raise ValueError(f"there is a health check {name!r} already")
        self._checks[name] = _Registered(check, ready, self._within)

    def add_details(self, name: str, details: Details) -> None:
        """Show `details()` as `name` in `/readyz` and `/health`. It does no I/O and decides nothing."""
        self._details[name] = details

    def mark_ready(self) -> None:
        """The process has started: requests are welcome."""
        self.state = "ready"

    def drain(self) -> None:
        """Graceful shutdown has begun: readiness fails, so that the gateway sends no more requests."""
        self.state = "draining"

    async def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Readiness: whether requests are welcome, and the answer of `/readyz`."""
        checks = await self._results(only_ready=True) if self.state == "ready" else {}
        ready = self.state == "ready" and all(self._checks[name].is_ready(self._slow) for name in checks)
        status = self.state if self.state != "ready" or ready else "unready"
        report = {"status": status, "instance": self.instance, "checks": checks or self._start()}
        return ready, report | self._shown_details()

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether every check passes, and the answer of `/health`, in the legacy platform's format."""
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
        return healthy, report | self._shown_details()

    def _shown_details(self) -> dict[str, Any]:
        return {name: dict(details()) for name, details in self._details.items()} if self.state != "starting" else {}

    def passed(self) -> dict[str, bool]:
        """The last result of each check that has run."""
        return {name: check.result == "ok" for name, check in self._checks.items() if check.result}

    def _start(self) -> dict[str, str]:
        return {"start": f"error: {self.waiting_for}"} if self.waiting_for else {}

    async def _results(self, *, only_ready: bool = False) -> dict[str, str]:
        wanted = {name: check for name, check in self._checks.items() if check.ready or not only_ready}
        results = await asyncio.gather(*(_result(registered, self._fresh) for registered in wanted.values()))
        return dict(zip(wanted, results, strict=True))


async def _result(registered: _Registered, fresh: float) -> str:
    """`ok` or `error: ...`. Concurrent callers share one run of the check."""
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
