"""A campaign's audience becomes rows of the ledger: in chunks, each a transaction with the place that it reached.

So a million recipients take constant memory, and whoever is killed leaves whole chunks to go on from.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from conversations.actions.campaigns import CAMPAIGNS
from conversations.actions.messages import DELIVERIES
from conversations.store import expansion as store
from conversations.store.contacts import ensure_contacts
from conversations.store.runs import Run
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop
from switchboard.runtime.phones import NotAPhone, to_e164
from switchboard.runtime.unavailable import Unavailable

CHUNK = 5000
POLL_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Expansion:
    """The loop, on every instance; a run's row is locked for each chunk. `region`: of phones without a country."""

    def __init__(self, database: Database, region: str, *, chunk: int = CHUNK) -> None:
        self._database = database
        self._region = region
        self._chunk = chunk
        self._wake = asyncio.Event()
        database.on_notify(CAMPAIGNS, self._wake.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            self._wake.clear()
            try:
                while not stop.is_set() and await self.expand_one_chunk():
                    pass
            except Unavailable as outage:
                log.info("expansion_waits", reason=str(outage))
            await self._sleep(stop)

    async def expand_one_chunk(self) -> bool:
        """Whether there was one to expand."""
        async with open_work(self._database, tenant_id=None) as work:
            run = await store.lock_unexpanded(work.conn)
            if run is None:
                return False
            await self._expand(work, run)
            work.notify(DELIVERIES)
            return True

    async def _expand(self, work: Work, run: Run) -> None:
        if "tags" in run.audience or run.audience.get("all"):
            after = UUID(run.expanded_to) if run.expanded_to else UUID(int=0)
            tags = run.audience.get("tags")
            last = await store.add_contacts(work.conn, run, tags=tags, after=after, limit=self._chunk)
            await store.save_expanded_to(work.conn, run.id, str(last or after), done=last is None)
            return
        reached = int(run.expanded_to or 0)
        spelt = await store.list_phones(work.conn, run.id, reached, self._chunk)
        phones, rejected = self._normalised(spelt)
        await ensure_contacts(work.conn, run.tenant_id, phones, [uuid7() for _ in phones])
        await store.add_phones(work.conn, run, phones)
        await store.add_rejected(work.conn, run, rejected)
        done = len(spelt) < self._chunk
        await store.save_expanded_to(work.conn, run.id, str(reached + len(spelt)), done=done)

    def _normalised(self, spelt: list[str]) -> tuple[list[str], list[str]]:
        """The phones, in one order for all (no deadlock between expansions), and what is none."""
        phones, rejected = set(), set()
        for text in spelt:
            try:
                phones.add(to_e164(text, self._region))
            except NotAPhone:
                rejected.add(text)
        return sorted(phones), sorted(rejected)

    async def _sleep(self, stop: Stop) -> None:
        stopping, woken = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({stopping, woken}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (stopping, woken):
            waiting.cancel()
