"""Contacts of the tenant, for every role. CSV export requires an admin."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Annotated
from unicodedata import normalize
from uuid import UUID

import asyncpg
from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field

from conversations.actions import contacts as actions
from conversations.actions.csv_export import export_contacts
from conversations.api.csv_streams import stream_csv, wants_csv
from conversations.domain.contacts import (
    MAX_NAME,
    MAX_TAG,
    MAX_TAGS,
    ContactRow,
    PhoneTaken,
    distinct_tags,
)
from conversations.store import contacts as store
from conversations.store.consents import find_consent, name_consent_source
from switchboard.http import (
    Body,
    Page,
    PageQuery,
    PlainRoute,
    ReadRoute,
    Request,
    Route,
    WriteRoute,
    decode_cursor,
    page,
)
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Forbidden, Invalid

Name = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(partial(normalize, "NFC"))]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG, pattern=r"^[^;\x1f]+$")]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS), AfterValidator(distinct_tags)]


class ContactAnswer(BaseModel):
    """A contact of the tenant."""

    id: UUID
    phone: str
    name: str | None
    tags: list[str]
    owner_id: UUID | None
    opted_out: bool
    created_at: datetime
    updated_at: datetime


class ContactsQuery(PageQuery):
    """`q`: search in name and phone. With `Accept: text/csv` all contacts are streamed."""

    q: Annotated[str, Field(max_length=200)] | None = None
    tag: Annotated[str, Field(max_length=50)] | None = None


class ConsentChangeAnswer(BaseModel):
    """A change of consent. `source`: `keyword`, `provider`, `user`, `import`; `migration`, `unknown` before."""

    at: datetime
    opted_out: bool
    source: str
    by: UUID | None


class ConsentAnswer(BaseModel):
    """Whether a number wants messages of this tenant. `history`: newest first."""

    opted_out: bool
    history: list[ConsentChangeAnswer]


class NewContact(Body):
    """A contact to add."""

    phone: Annotated[str, Field(max_length=40)]
    name: Name | None = None
    tags: Tags = ()
    owner_id: UUID | None = None
    opted_out: bool = False


class ContactChange(Body):
    """Fields to replace. Existing conversations stay with the old phone number."""

    phone: Annotated[str, Field(max_length=40)] | None = None
    name: Name | None = None
    tags: Tags | None = None
    owner_id: UUID | None = None
    opted_out: bool | None = None


@dataclass(frozen=True)
class Contacts:
    """Contacts of the tenant. `region`: of phones without a country code."""

    database: Database
    region: str
    users: UserDirectory

    def routes(self) -> list[Route]:
        base, one = "/api/v1/contacts", "/api/v1/contacts/{id}"
        taken = (PhoneTaken,)
        return [
            PlainRoute("GET", base, self.list, query=ContactsQuery, answer=Page[ContactAnswer]),
            WriteRoute("POST", base, self.create, body=NewContact, answer=ContactAnswer, creates=True, errors=taken),
            ReadRoute("GET", one, self.get, answer=ContactAnswer),
            WriteRoute("PATCH", one, self.update, body=ContactChange, answer=ContactAnswer, errors=taken),
            WriteRoute("DELETE", one, self.delete),
            ReadRoute("GET", one + "/consent", self.consent, answer=ConsentAnswer),
            ReadRoute("GET", "/api/v1/consent/{phone}", self.consent_of_phone, answer=ConsentAnswer),
        ]

    async def list(self, request: Request) -> Page[ContactAnswer] | web.StreamResponse:
        """List contacts, as pages or as a CSV file."""
        query: ContactsQuery = request.query
        tenant_id = request.identity.tenant_id
        if wants_csv(request.http):
            if request.identity.role < Role.ADMIN:
                raise Forbidden("Exporting takes the role admin or above.")
            rows = export_contacts(self.database, tenant_id, q=query.q, tag=query.tag)
            return await stream_csv(request.http, rows, name="contacts")
        (after,) = decode_cursor(query.cursor, UUID) if query.cursor else (UUID(int=0),)
        async with self.database.connection() as conn:
            found = await store.list_contacts(
                conn, tenant_id, after=after, q=query.q, tag=query.tag, limit=query.limit + 1
            )
        shown, cursor = page(found, query.limit, lambda last: (last.id,))
        return Page(items=[_answer(contact) for contact in shown], next_cursor=cursor)

    async def create(self, request: Request, work: Work) -> ContactAnswer:
        """Add a contact. If its number has opted out before, it stays so."""
        new: NewContact = request.body
        await self._check_owner(work, request, new.owner_id)
        phone = requested_phone(new.phone, self.region, "body", "phone")
        await name_consent_source(work.conn, "user", request.identity.user_id)
        row = ContactRow(phone, new.name, new.tags, new.owner_id, new.opted_out)
        return _answer(await actions.add_contact(work, request.identity.tenant_id, row))

    async def get(self, request: Request, conn: asyncpg.Connection) -> ContactAnswer:
        """Get a contact."""
        return _answer(await store.get_contact(conn, request.identity.tenant_id, request.uuid("id")))

    async def update(self, request: Request, work: Work) -> ContactAnswer:
        """Change a contact's phone, name, tags, owner or opt-out. Opting in is recorded as the caller's act."""
        change: ContactChange = request.body
        contact = await store.lock_contact(work.conn, request.identity.tenant_id, request.uuid("id"))
        changes = {name: getattr(change, name) for name in change.model_fields_set}
        for name in ("phone", "tags", "opted_out"):
            if name in changes and changes[name] is None:
                raise Invalid.field("must not be null", "body", name)
        await self._check_owner(work, request, changes.get("owner_id"))
        if "tags" in changes:
            changes["tags"] = list(changes["tags"])
        if "phone" in changes:
            changes["phone"] = requested_phone(changes["phone"], self.region, "body", "phone")
        await name_consent_source(work.conn, "user", request.identity.user_id)
        return _answer(await actions.save_contact(work, request.identity.tenant_id, replace(contact, **changes)))

    async def consent(self, request: Request, conn: asyncpg.Connection) -> ConsentAnswer:
        """Get whether the contact's number wants messages, and how that came about."""
        contact = await store.get_contact(conn, request.identity.tenant_id, request.uuid("id"))
        return await _consent(request, conn, contact.phone)

    async def consent_of_phone(self, request: Request, conn: asyncpg.Connection) -> ConsentAnswer:
        """Get whether a number wants messages, whether or not it is a contact."""
        return await _consent(request, conn, requested_phone(request.path["phone"], self.region, "path", "phone"))

    async def delete(self, request: Request, work: Work) -> None:
        """Delete a contact. Conversations with its phone remain, and so does its number's consent."""
        await actions.delete_contact(work, request.identity.tenant_id, request.uuid("id"))

    async def _check_owner(self, work: Work, request: Request, owner_id: UUID | None) -> None:
        if owner_id is not None and not await self.users.of_caller(request, work.conn).exists(owner_id):
            raise Invalid.field("is not a user of this tenant", "body", "owner_id")


async def _consent(request: Request, conn: asyncpg.Connection, phone: str) -> ConsentAnswer:
    found = await find_consent(conn, request.identity.tenant_id, phone)
    return ConsentAnswer.model_validate(found, from_attributes=True)


def _answer(contact: store.Contact) -> ContactAnswer:
    return ContactAnswer.model_validate(contact, from_attributes=True)
