"""Taking deliveries in hand: claimed, looked at once more, and those that are still to be sent put in conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from conversations.actions.deliveries import news_of, settle, tell_of_failure
from conversations.domain.quiet_hours import quiet_until, zone_of
from conversations.domain.templates import fields_of
from conversations.store import deliveries as store
from conversations.store.deliveries import Claimed, Lane
from conversations.store.message_append import NewMessage
from conversations.store.message_append_many import append_to_each
from conversations.store.runs import Run, find_run, find_zone
from switchboard.contracts.templates import fill_template
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database

LEASE = timedelta(seconds=30)
WORDS = {"opted_out": "the contact wants no messages", "too_late": "it would have come too late"}


def new_holder(instance: str) -> str:
    """A restarted instance is somebody else."""
    return f"{instance}/{uuid4().hex[:8]}"


@dataclass(frozen=True)
class Taken:
    """`send`: now this process's to send. `claimed`: how many were touched."""

    send: list[Claimed]
    claimed: int


async def take(database: Database, lane: Lane, limit: int, *, holder: str) -> Taken:
    """Claim of the lane in one transaction, with all that follows from it before the first byte is sent."""
    async with open_work(database, tenant_id=lane.tenant_id) as work:
        claimed = await store.claim(work.conn, lane, limit, holder=f"{holder}/{uuid4().hex[:8]}", lease=LEASE)
        if not claimed:
            return Taken([], 0)
        run = await find_run(work.conn, lane.campaign_id) if lane.campaign_id else None
        to_send = await _sort_out(work, claimed, run)
        return Taken(await _in_conversations(work, to_send, run), len(claimed))


async def _sort_out(work: Work, claimed: list[Claimed], run: Run | None) -> list[Claimed]:
    """Those that may be sent now; the others are skipped or put off."""
    now = datetime.now(UTC)
    skipped = {row.id: reason for row in claimed if (reason := _reason_to_skip(row))}
    if skipped:
        rows = [row for row in claimed if row.id in skipped]
        await settle(work, [news_of(r, "skipped", source=work.source, reason=skipped[r.id]) for r in rows])
        for row in rows:
            await tell_of_failure(work, row, WORDS[skipped[row.id]])
    left = [row for row in claimed if row.id not in skipped]
    quiet = await _quiet(work, left, run, now)
    if quiet:
        off = [(row.id, row.holder, quiet[row.id] - now, True) for row in left if row.id in quiet]
        await store.release(work.conn, off)
    return [row for row in left if row.id not in quiet]


def _reason_to_skip(row: Claimed) -> str | None:
    if row.opted_out:
        return "opted_out"
    return "too_late" if row.too_late else None


async def _quiet(work: Work, rows: list[Claimed], run: Run | None, now: datetime) -> dict[UUID, datetime]:
    """Those whose recipients have quiet hours now, and until when."""
    if run is None or run.quiet_hours is None:
        return {}
    home = await find_zone(work.conn, run)
    begins, ends = (time.fromisoformat(run.quiet_hours[word]) for word in ("from", "to"))
    return {
        row.id: until
        for row in rows
        if (until := quiet_until(now, zone_of(row.contact_phone, home), begins, ends)) is not None
    }


async def _in_conversations(work: Work, rows: list[Claimed], run: Run | None) -> list[Claimed]:
    """A campaign's message stands in its creator's conversation from the moment that it is to be sent."""
    if run is None:
        return rows
    new = {row.id: _message(row, run) for row in rows if row.message_id is None}
    placed = await append_to_each(work, list(new.values()))
    links = [
        (row_id, placed[message.id][0], message.id, placed[message.id][1], message.body)
        for row_id, message in new.items()
    ]
    if links:
        await store.link_messages(work.conn, links)
    seqs = {row_id: (message_id, seq, body) for row_id, _, message_id, seq, body in links}
    return [
        replace(row, message_id=seqs[row.id][0], seq=seqs[row.id][1], body=seqs[row.id][2]) if row.id in seqs else row
        for row in rows
    ]


def _message(row: Claimed, run: Run) -> NewMessage:
    return NewMessage(
        id=uuid7(),
        user_id=run.user_id,
        contact_phone=row.contact_phone,
        direction="out",
        channel=run.channel,
        body=fill_template(run.template, fields_of(row.contact_phone, row.contact_name)),
        status="queued",
        created_at=datetime.now(UTC),
    )
