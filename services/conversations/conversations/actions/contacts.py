"""Changes of contacts, with the events that report them."""

from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from conversations.domain.contacts import ContactRow
from conversations.store import contacts as store
from conversations.store.contact_imports import ContactImport
from conversations.store.contacts import Contact
from switchboard.contracts.conversations import (
    ContactCreated,
    ContactDeleted,
    ContactEvent,
    ContactImported,
    ContactUpdated,
)
from switchboard.messaging.outbox.unit_of_work import Work


def event_of(kind: type[ContactEvent], contact: Contact) -> ContactEvent:
    """The event that reports the contact's state."""
    return kind(
        contact_id=contact.id,
        phone=contact.phone,
        name=contact.name,
        tags=tuple(contact.tags),
        owner_id=contact.owner_id,
        opted_out=contact.opted_out,
        created_at=contact.created_at,
        updated_at=contact.updated_at,
    )


async def add_contact(work: Work, tenant_id: UUID, row: ContactRow) -> Contact:
    """Add a contact. Raises `PhoneTaken`."""
    contact = await store.add_contact(work.conn, tenant_id, uuid7(), row)
    await work.publish(event_of(ContactCreated, contact))
    return contact


async def save_contact(work: Work, tenant_id: UUID, contact: Contact) -> Contact:
    """Save a changed contact, whose row is locked. Raises `PhoneTaken`."""
    saved = await store.save_contact(work.conn, tenant_id, contact)
    await work.publish(event_of(ContactUpdated, saved))
    return saved


async def delete_contact(work: Work, tenant_id: UUID, contact_id: UUID) -> None:
    """Delete a contact. Raises `NotFound`."""
    phone = await store.drop_contact(work.conn, tenant_id, contact_id)
    await work.publish(ContactDeleted(contact_id=contact_id, phone=phone))


async def ensure_contact(work: Work, tenant_id: UUID, phone: str) -> None:
    """Add a contact for a number that has none."""
    for contact in await store.ensure_contacts(work.conn, tenant_id, [phone], [uuid7()]):
        await work.publish(event_of(ContactCreated, contact), tenant_id=tenant_id)


async def ensure_recipients(work: Work, tenant_id: UUID, campaign_id: UUID, phones: Sequence[str]) -> None:
    """Add contacts for a campaign's numbers that have none. One event reports them all."""
    added = await store.ensure_contacts(work.conn, tenant_id, phones, [uuid7() for _ in phones])
    if added:
        imported = ContactImported(campaign_id=campaign_id, created=len(added), updated=0)
        await work.publish(imported, tenant_id=tenant_id)


async def set_opted_out(work: Work, tenant_id: UUID, phone: str, *, opted_out: bool) -> None:
    """Opt a contact out or in, if that changes something."""
    contact = await store.save_opted_out(work.conn, tenant_id, phone, opted_out=opted_out)
    if contact is not None:
        await work.publish(event_of(ContactUpdated, contact), tenant_id=tenant_id)


async def report_import(work: Work, ended: ContactImport) -> None:
    """Publish what an import has changed, if anything: one event for all its contacts."""
    if ended.created or ended.updated:
        await work.publish(ContactImported(import_id=ended.id, created=ended.created, updated=ended.updated))
