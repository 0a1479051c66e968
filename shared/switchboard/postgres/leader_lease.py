"""Leadership by a lease in Postgres, on the database's clock: holder, term, expiry.

An advisory lock would be held by a paused process for ever. A lease runs out; and its holder trusts it only until
(start of its last successful renewal + time to live - margin) on its own monotonic clock, which goes on while the
process is stopped. The term rises with every change of holder, so that a claim can check it in its own statement.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import asyncpg
import structlog

from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

TAKE_OR_RENEW = """
insert into leases as held (name, holder, term, acquired_at, expires_at)
values ($1, $2, 1, clock_timestamp(), clock_timestamp() + $3)
on conflict (name) do update set
    holder = excluded.holder,
    term = held.term + (held.holder <> excluded.holder or held.expires_at <= clock_timestamp())::int,
    acquired_at = case when held.holder = excluded.holder and held.expires_at > clock_timestamp()
                       then held.acquired_at else clock_timestamp() end,
    expires_at = clock_timestamp() + $3
where held.holder = excluded.holder or held.expires_at <= clock_timestamp()
returning term
"""
RESIGN = "update leases set expires_at = clock_timestamp() where name = $1 and holder = $2 and term = $3"

log = structlog.get_logger(__name__)


class LeaderLease:
    """One process's claim to the lease `name`. Run it as a loop; ask `held()` right before each use of it.

    `ttl`, `margin` and `renew_every` in seconds. A dead or hanging holder is replaced within `ttl + renew_every`.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str,
        *,
        ttl: float = 3.0,
        margin: float = 0.75,
        renew_every: float = 0.75,
    ) -> None:
        self.name = name
        self.holder = f"{holder}/{uuid4().hex[:8]}"  # a restarted instance is somebody else
        self.term: int | None = None
        self.changed = asyncio.Event()  # set whenever it was won or lost; cleared by the one who waits for it
        self._database = database
        self._ttl = ttl
        self._margin = margin
        self._renew_every = renew_every
        self._trusted_until = 0.0
        self._wake = asyncio.Event()
        database.on_notify(self._channel, self._wake.set)

    def held(self) -> bool:
        """Whether this process leads, as far as it may trust it. On any doubt: no."""
        return self.term is not None and monotonic() < self._trusted_until

    async def run(self, stop: Stop) -> None:
        """Take the lease when it is free, keep it while it is ours, give it back at the end."""
        while not stop.is_set():
            await self._take_or_renew()
            await self._pause(stop)
        await self.resign()

    async def resign(self) -> None:
        """Hand over at once."""
        term, self.term = self.term, None
        self.changed.set()
        if term is None:
            return
        try:
            async with self._database.connection() as conn:
                await conn.execute(RESIGN, self.name, self.holder, term)
                await conn.execute("select pg_notify($1, '')", self._channel)
        except Unavailable:
            log.info("lease_left_to_expire", lease=self.name)

    async def _take_or_renew(self) -> None:
        started = monotonic()
        try:
            async with asyncio.timeout(self._ttl), self._database.connection() as conn:
                term = await conn.fetchval(TAKE_OR_RENEW, self.name, self.holder, timedelta(seconds=self._ttl))
        except (Unavailable, TimeoutError, asyncpg.PostgresError):
            return  # what we hold runs out by itself
        if term != self.term:
            log.info("lease_lost" if term is None else "lease_won", lease=self.name, term=term or self.term)
            self.changed.set()
        self.term = term
        if term is not None:
            self._trusted_until = started + self._ttl - self._margin

    async def _pause(self, stop: Stop) -> None:
        """Until the next renewal, a resignation heard of, or the end."""
        self._wake.clear()
        stopping = asyncio.ensure_future(stop.wait())
        woken = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({stopping, woken}, timeout=self._renew_every, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (stopping, woken):
            waiting.cancel()

    @property
    def _channel(self) -> str:
        return f"lease.{self.name}"
