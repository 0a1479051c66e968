"""What comes in from outside: messages, receipts, the words of calls."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from conversations.actions.calls import move_call
from conversations.actions.deliveries import find_delivery, news_of, settle_failure, settle_quickly
from conversations.domain.keywords import opting
from conversations.domain.providers import Account, CallReceipt, Inbound, Receipt
from conversations.store import inbound as store
from conversations.store.calls import find_locked_call
from conversations.store.contacts import ensure_contacts, save_opted_out
from conversations.store.message_append import NewMessage, append_message
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database
from switchboard.runtime.refusals import ServiceUnavailable

log = structlog.get_logger(__name__)


async def take_receipt(database: Database, account: Account, receipt: Receipt) -> None:
    """The delivery goes forward, whether its own send has committed yet or not. One statement moves all that moves."""
    async with database.connection() as conn:
        row = await find_delivery(conn, receipt.delivery_id, account.provider, receipt.ref)
    if row is None or not _may_speak_of(account, row.tenant_id):
        log.info("receipt_of_nothing_known", provider=account.provider, ref=receipt.ref)
        return
    news = news_of(
        row,
        receipt.status,
        source=database.service,
        reason=receipt.reason,
        ref=receipt.ref,
        provider=account.provider,
    )
    if receipt.status == "failed":
        await settle_failure(database, row, news)
    else:
        await settle_quickly(database, [news])


async def take_call_receipt(work: Work, account: Account, receipt: CallReceipt) -> None:
    """The call goes forward."""
    call = await find_locked_call(work.conn, receipt.call_id)
    if call is None or not _may_speak_of(account, call.tenant_id):
        return
    work.tenant_id = call.tenant_id
    await move_call(
        work, call, receipt.status, reason=receipt.reason, provider=account.provider, provider_ref=receipt.ref
    )


def _may_speak_of(account: Account, tenant_id: UUID) -> bool:
    """A tenant's own channel says nothing about another tenant's messages."""
    return account.tenant_id is None or account.tenant_id == tenant_id


async def take_inbound(work: Work, account: Account, inbound: Inbound, sender: str) -> None:
    """A contact wrote: once in the conversation that it belongs to. STOP and START also say what we may send.

    Raises `ServiceUnavailable` while the tenant's owner is not known yet: the provider tries again.
    """
    tenant_id = account.tenant_id or await store.find_tenant_of(work.conn, sender)
    if tenant_id is None:
        log.info("inbound_of_nobody", provider=account.provider, ref=inbound.ref)
        return
    work.tenant_id = tenant_id
    if not await store.add_inbound(work.conn, account.provider, inbound.ref, tenant_id):
        return  # the same one again
    user_id = await store.find_receiver(work.conn, tenant_id, sender)
    if user_id is None:
        raise ServiceUnavailable("Nobody is known yet to receive this.", retry_after=5)
    await ensure_contacts(work.conn, tenant_id, [sender], [uuid7()])
    out = opting(inbound.body)
    if out is not None:
        await save_opted_out(work.conn, tenant_id, sender, opted_out=out)
    new = NewMessage(
        id=uuid7(),
        user_id=user_id,
        contact_phone=sender,
        direction="in",
        channel="sms",
        body=inbound.body.replace("\0", ""),
        status="received",
        created_at=datetime.now(UTC),
    )
    await append_message(work, new, conversation_id=uuid7(), contact_id=uuid7())
