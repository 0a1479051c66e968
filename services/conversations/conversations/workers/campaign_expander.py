"""Campaign expansion: a campaign's audience becomes deliveries, a chunk at a time.

A chunk and the position that it reached are one transaction. So a million recipients take constant memory, and after a
crash the expansion continues with the next chunk.
"""

from uuid import UUID

import structlog

from conversations.actions.campaigns import CAMPAIGNS
from conversations.actions.contacts import ensure_recipients
from conversations.actions.messages import DELIVERIES
from conversations.store import campaign_expansion as store
from conversations.store.campaign_runs import Run
from conversations.store.contacts import known_spellings
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.phones import NotAPhone, spellings_of, to_e164
from switchboard.runtime.unavailable import Unavailable

CHUNK = 5000
POLL_SECONDS = 5.0  # a notification may be lost

log = structlog.get_logger(__name__)


class CampaignExpander:
    """Expands campaigns. Locks a run's row for each chunk, so that one instance expands it.

    `region`: of phones without a country code.
    """

    def __init__(self, database: Database, region: str, *, chunk: int = CHUNK) -> None:
        self._database = database
        self._region = region
        self._chunk = chunk
        self._wakeup = Wakeup()
        database.on_notify(CAMPAIGNS, self._wakeup.set)

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            try:
                while not stop.is_set() and await self.expand_one_chunk():
                    pass
            except Unavailable as error:
                log.info("expansion_postponed", reason=str(error))
            await self._wakeup.wait(stop, POLL_SECONDS)

    async def expand_one_chunk(self) -> bool:
        """Expand one chunk of one campaign. False when no campaign is unexpanded."""
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
        position = int(run.expanded_to or 0)
        texts = await store.list_phones(work.conn, run.id, position, self._chunk)
        phones, rejected = self._normalised(texts)
        phones = sorted(set((await known_spellings(work.conn, run.tenant_id, phones)).values()))
        await ensure_recipients(work, run.tenant_id, run.id, phones)
        await store.add_phones(work.conn, run, phones)
        await store.add_rejected(work.conn, run, rejected)
        done = len(texts) < self._chunk
        await store.save_expanded_to(work.conn, run.id, str(position + len(texts)), done=done)

    def _normalised(self, texts: list[str]) -> tuple[list[str], list[str]]:
        """The phones, each line once, sorted so that concurrent expansions can't deadlock; the texts that are none."""
        lines: dict[frozenset[str], str] = {}
        rejected = set()
        for text in texts:
            try:
                phone = to_e164(text, self._region)
                lines.setdefault(frozenset(spellings_of(phone)), phone)
            except NotAPhone:
                rejected.add(text)
        return sorted(lines.values()), sorted(rejected)
