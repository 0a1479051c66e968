"""Claiming of due deliveries: claim, check once more whether to send, and append campaign messages to conversations."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from conversations.actions.deliveries import notify_failure, outcome_of, settle
from conversations.domain.quiet_hours import quiet_until, zones_of
from conversations.domain.sms import MOST_CHARACTERS
from conversations.domain.templates import fields_of
from conversations.store import delivery_claims as store
from conversations.store.campaign_runs import Run, find_run, find_zone
from conversations.store.delivery_claims import LEASE, Claimed, Lane, MessageLink, Release
from conversations.store.message_append import MessageToAppend, append_messages
from switchboard.contracts.templates import fill_template
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database

MAX_ATTEMPTS = 8
SKIP_REASONS = {
    "opted_out": "the contact wants no messages",
    "too_late": "it would have come too late",
    "empty": "its text is empty",
    "too_long": f"its text has more than {MOST_CHARACTERS} characters",
}


def lease_holder(instance: str) -> str:
    """A name for the claims of this process: a restarted instance gets another."""
    return f"{instance}/{uuid4().hex[:8]}"


@dataclass(frozen=True)
class ClaimedBatch:
    """`send`: the deliveries to send now. `claimed`: how many were claimed, with those skipped or postponed."""

    send: list[Claimed]
    claimed: int


async def claim_due_deliveries(database: Database, lane: Lane, limit: int, *, holder: str) -> ClaimedBatch:
    """Claim due deliveries of a lane under a lease. Everything up to the provider's call is in one transaction."""
    async with open_work(database, tenant_id=lane.tenant_id) as work:
        claimed = await store.claim(work.conn, lane, limit, holder=f"{holder}/{uuid4().hex[:8]}", lease=LEASE)
        if not claimed:
            return ClaimedBatch([], 0)
        run = await find_run(work.conn, lane.campaign_id) if lane.campaign_id else None
        to_send = await _skip_or_postpone(work, claimed, run)
        return ClaimedBatch(await _append_to_conversations(work, to_send, run), len(claimed))


async def _skip_or_postpone(work: Work, claimed: list[Claimed], run: Run | None) -> list[Claimed]:
    """Skip opted-out and late recipients, postpone those in quiet hours. Returns the others."""
    now = datetime.now(UTC)
    skipped = {row.id: reason for row in claimed if (reason := _reason_to_skip(row, run))}
    if skipped:
        rows = [row for row in claimed if row.id in skipped]
        await settle(work, [outcome_of(r, "skipped", source=work.source, reason=skipped[r.id]) for r in rows])
        for row in rows:
            await notify_failure(work, row, SKIP_REASONS[skipped[row.id]])
    left = [row for row in claimed if row.id not in skipped]
    quiet = await _in_quiet_hours(work, left, run, now)
    if quiet:
        postponed = [Release(row.id, row.holder, quiet[row.id] - now, True) for row in left if row.id in quiet]
        await store.release(work.conn, postponed)
    return [row for row in left if row.id not in quiet]


def _reason_to_skip(row: Claimed, run: Run | None) -> str | None:
    if row.opted_out:
        return "opted_out"
    if row.too_late:
        return "too_late"
    if run is None or row.message_id is not None:
        return None
    text = _text(row, run)
    if not text.strip():
        return "empty"
    return "too_long" if len(text) > MOST_CHARACTERS else None


async def _in_quiet_hours(work: Work, rows: list[Claimed], run: Run | None, now: datetime) -> dict[UUID, datetime]:
    """The deliveries to recipients in quiet hours, each with the time when these end."""
    if run is None or run.quiet_hours is None:
        return {}
    home = await find_zone(work.conn, run)
    begins, ends = (time.fromisoformat(run.quiet_hours[word]) for word in ("from", "to"))
    return {
        row.id: until
        for row in rows
        if (until := quiet_until(now, zones_of(row.contact_phone, home), begins, ends)) is not None
    }


async def _append_to_conversations(work: Work, rows: list[Claimed], run: Run | None) -> list[Claimed]:
    """Append a campaign's messages to its creator's conversations, those that are not there from an earlier claim."""
    if run is None:
        return rows
    new = {row.id: _message(row, run) for row in rows if row.message_id is None}
    if not new:
        return rows
    links = []
    for id_, appended in zip(new, await append_messages(work.conn, work.source, list(new.values())), strict=True):
        assert appended is not None  # it has no idempotency key
        work.published.append(appended.event)
        message = appended.message
        links.append(MessageLink(id_, appended.conversation_id, message.id, message.seq, message.body))
    await store.link_messages(work.conn, links)
    by_delivery = {link.delivery_id: link for link in links}
    return [
        replace(row, message_id=link.message_id, seq=link.seq, body=link.body)
        if (link := by_delivery.get(row.id))
        else row
        for row in rows
    ]


def _text(row: Claimed, run: Run) -> str:
    return fill_template(run.template, fields_of(row.contact_phone, row.contact_name))


def _message(row: Claimed, run: Run) -> MessageToAppend:
    return MessageToAppend(
        id=uuid7(),
        tenant_id=row.tenant_id,
        user_id=run.user_id,
        contact_phone=row.contact_phone,
        direction="out",
        channel=run.channel,
        body=_text(row, run),
        status="queued",
        created_at=datetime.now(UTC),
    )
