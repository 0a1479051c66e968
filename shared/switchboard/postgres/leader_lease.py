"""Leader election by a lease in Postgres: holder, term and expiry, on the database's clock.

A paused process would keep an advisory lock for ever; a lease expires. Its holder trusts it only until (start of the
last successful renewal + time to live - margin) on its own monotonic clock, which goes on while the process is paused.
The term rises with every change of the leader. It is a fencing token: a claim checks it in its own statement.

A follower writes nothing: it reads when the lease expires, and sleeps until then or until a leader resigns.
"""

import asyncio
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import asyncpg
import structlog

from switchboard.postgres.database import Database
from switchboard.postgres.notifications import Wake
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

# The lease of another leader is only read. `remaining` is as it was before the statement.
ACQUIRE_OR_RENEW = """
with seen as (select holder, expires_at - clock_timestamp() as remaining from leases where name = $1),
taken as (
    insert into leases as held (name, holder, term, acquired_at, expires_at)
    select $1, $2, 1, clock_timestamp(), clock_timestamp() + $3
    where not exists (select 1 from seen where holder <> $2 and remaining > interval '0')
    on conflict (name) do update set
        holder = excluded.holder,
        term = held.term + (held.holder <> excluded.holder or held.expires_at <= clock_timestamp())::int,
        acquired_at = case when held.holder = excluded.holder and held.expires_at > clock_timestamp()
                           then held.acquired_at else clock_timestamp() end,
        expires_at = clock_timestamp() + $3
    where held.holder = excluded.holder or held.expires_at <= clock_timestamp()
    returning term
)
select (select term from taken), (select remaining from seen)
"""
RESIGN = "update leases set expires_at = clock_timestamp() where name = $1 and holder = $2 and term = $3"
SEIZE = """
insert into leases as held (name, holder, term, acquired_at, expires_at)
values ($1, $2, 1, clock_timestamp(), clock_timestamp() + $3)
on conflict (name) do update set
    holder = excluded.holder, term = held.term + 1, acquired_at = clock_timestamp(), expires_at = excluded.expires_at
returning term
"""
SHORTEST_PAUSE = 0.05  # seconds until a follower that has just missed the lease reads it again

log = structlog.get_logger(__name__)


class LeaderLease:
    """One process's candidacy for leadership `name`. Run it as a loop, and ask `held()` right before acting as leader.

    `ttl`, `margin` and `renew_every` are seconds. A dead or hanging leader is replaced when its lease expires, `ttl`
    after its last renewal.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str,
        *,
        ttl: float = 3.6,
        margin: float = 0.75,
        renew_every: float = 1.2,
    ) -> None:
        self.name = name
        self.holder = f"{holder}/{uuid4().hex[:8]}"  # a restarted instance is another holder
        self.term: int | None = None
        self._database = database
        self.ttl = ttl
        self._margin = margin
        self._renew_every = renew_every
        self._trusted_until = 0.0
        self._wakeup = Wakeup()
        self._on_change: list[Wake] = []
        database.on_notify(self._channel, self._wakeup.set)

    def on_change(self, wake: Wake) -> None:
        """Call `wake()` whenever this process wins or loses leadership, or trusts its lease again."""
        self._on_change.append(wake)

    def held(self) -> bool:
        """Whether this process is the leader. False when in doubt."""
        return self.term is not None and monotonic() < self._trusted_until

    async def run(self, stop: Stop) -> None:
        """Acquire the lease when it is free, renew it, and release it at the end."""
        while not stop.is_set():
            await self._wakeup.wait(stop, await self._acquire_or_renew())
        await self.resign()

    async def seize(self) -> None:
        """Take the lease, whoever holds it: the former leader notices within `ttl` seconds. Then `run` keeps it."""
        started = monotonic()
        async with self._database.connection() as conn:
            self.term = await conn.fetchval(SEIZE, self.name, self.holder, timedelta(seconds=self.ttl))
        self._trusted_until = started + self.ttl - self._margin
        self._report_change()

    async def resign(self) -> None:
        """Release the lease, so that another process takes over at once."""
        term, self.term = self.term, None
        self._report_change()
        if term is None:
            return
        try:
            async with self._database.connection() as conn:
                await conn.execute(RESIGN, self.name, self.holder, term)
                await conn.execute("select pg_notify($1, '')", self._channel)
        except Unavailable:
            log.info("lease_left_to_expire", lease=self.name)

    async def _acquire_or_renew(self) -> float:
        """Return the seconds until the next time."""
        started = monotonic()
        try:
            async with asyncio.timeout(self.ttl), self._database.connection() as conn:
                [row] = await conn.fetch(ACQUIRE_OR_RENEW, self.name, self.holder, timedelta(seconds=self.ttl))
        except (Unavailable, TimeoutError, asyncpg.PostgresError):
            return self._renew_every / 2  # a lease that we hold expires by itself
        before, trusted = self.term, self.held()
        term, remaining = row
        self.term = term
        if term is not None:
            self._trusted_until = started + self.ttl - self._margin
        if term != before:
            log.info("lease_lost" if term is None else "lease_won", lease=self.name, term=term or before)
        if term != before or (term is not None and not trusted):
            self._report_change()
        if term is not None:
            return self._renew_every
        return max(remaining.total_seconds(), SHORTEST_PAUSE) if remaining else SHORTEST_PAUSE

    def _report_change(self) -> None:
        for wake in self._on_change:
            wake()

    @property
    def _channel(self) -> str:
        return f"lease.{self.name}"
