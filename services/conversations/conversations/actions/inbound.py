"""Provider webhooks: inbound messages, delivery receipts and call receipts."""

from datetime import UTC, datetime
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from conversations.actions.calls import move_call
from conversations.actions.contacts import ensure_contact, set_opted_out
from conversations.actions.deliveries import find_delivery, log_report, outcome_of, settle_batch, settle_failure
from conversations.actions.messages import append_one
from conversations.domain.opt_out_keywords import opt_out_keyword
from conversations.domain.providers import CallReceipt, InboundMessage, ProviderAccount, Receipt, WebhookEvent
from conversations.store import inbound as store
from conversations.store.calls import find_locked_call
from conversations.store.channels import save_written_to
from conversations.store.consents import name_consent_source
from conversations.store.contacts import known_spelling
from conversations.store.message_append import MessageToAppend
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.runtime.phones import NotAPhone, read_address
from switchboard.runtime.refusals import ServiceUnavailable

UNKNOWN_SENDER = "unknown"

log = structlog.get_logger(__name__)


async def receive_webhook(database: Database, account: ProviderAccount, event: WebhookEvent, region: str) -> None:
    """Act on a verified webhook. The same webhook twice has one effect. `region`: of phones without a country code."""
    if isinstance(event, Receipt):
        await receive_receipt(database, account, event)
        return
    async with open_work(database, tenant_id=account.tenant_id) as work:
        match event:
            case CallReceipt():
                await receive_call_receipt(work, account, event)
            case InboundMessage():
                await receive_message(work, account, event, _address_of(event, region))


def _address_of(inbound: InboundMessage, region: str) -> str:
    """The sender's number, short code or name. Whatever a provider hands over is kept."""
    try:
        return read_address(inbound.sender, region)
    except NotAPhone:
        return UNKNOWN_SENDER


async def receive_receipt(database: Database, account: ProviderAccount, receipt: Receipt) -> None:
    """Settle a delivery by its receipt, which may come before our own settlement has committed."""
    async with database.connection() as conn:
        row = await find_delivery(conn, receipt.delivery_id, account.provider, receipt.ref)
    if row is None or not _owns(account, row.tenant_id):
        log.info("receipt_of_unknown_delivery", provider=account.provider, ref=receipt.ref)
        return
    outcome = outcome_of(
        row,
        receipt.status,
        source=database.service,
        reason=receipt.reason,
        ref=receipt.ref,
        provider=account.provider,
    )
    log_report(row, account.provider, receipt.status)
    if receipt.status == "failed":
        await settle_failure(database, row, outcome, opted_out=receipt.opted_out)
    else:
        await settle_batch(database, [outcome])


async def receive_call_receipt(work: Work, account: ProviderAccount, receipt: CallReceipt) -> None:
    """Move a call forward by its receipt."""
    call = await find_locked_call(work.conn, receipt.call_id)
    if call is None or not _owns(account, call.tenant_id):
        return
    work.tenant_id = call.tenant_id
    await move_call(
        work, call, receipt.status, reason=receipt.reason, provider=account.provider, provider_ref=receipt.ref
    )


def _owns(account: ProviderAccount, tenant_id: UUID) -> bool:
    """Whether receipts of this account may concern this tenant: a tenant's own channel concerns that tenant alone."""
    return account.tenant_id is None or account.tenant_id == tenant_id


async def receive_message(work: Work, account: ProviderAccount, inbound: InboundMessage, sender: str) -> None:
    """Append an inbound message to its receiver's conversation, once. Opt-out keywords also change the contact.

    Raises `ServiceUnavailable` while no receiver is known: the provider tries again.
    """
    tenant_id = account.tenant_id or await store.find_tenant_of(work.conn, sender)
    if tenant_id is None:
        log.warning("inbound_without_tenant", provider=account.provider, ref=inbound.ref)
        await store.keep_unassigned(work.conn, account.provider, inbound, sender)
        return
    work.tenant_id = tenant_id
    sender = await known_spelling(work.conn, tenant_id, sender)
    if not await store.add_inbound(work.conn, account.provider, inbound.ref, tenant_id):
        return  # received before
    user_id = await store.find_receiver(work.conn, tenant_id, sender)
    if user_id is None:
        raise ServiceUnavailable("No user is known yet to receive this message.", retry_after=5)
    if sender.startswith("+"):
        await ensure_contact(work, tenant_id, sender)
    opted_out = opt_out_keyword(inbound.body)
    if opted_out is not None:
        await name_consent_source(work.conn, "keyword")
        await set_opted_out(work, tenant_id, sender, opted_out=opted_out)
    if account.tenant_id is not None:
        await save_written_to(work.conn, tenant_id, sender, account)
    new = MessageToAppend(
        id=uuid7(),
        tenant_id=tenant_id,
        user_id=user_id,
        contact_phone=sender,
        direction="in",
        channel="sms",
        body=inbound.text.replace("\0", ""),
        status="received",
        created_at=datetime.now(UTC),
    )
    await append_one(work, new)
