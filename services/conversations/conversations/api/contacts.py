"""Contacts: the tenant's, for every role; importing and exporting takes an admin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from conversations.actions import contact_files
from conversations.api.csv_streams import csv_headers, stream, uploaded_chunks, wants_csv
from conversations.domain.contacts import LONGEST_NAME, LONGEST_TAG, MOST_TAGS, PhoneTaken, UnusableFile
from conversations.store import contacts as store
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
from switchboard.http.client import ServiceClient
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import UserDirectory
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Forbidden, Invalid, UnsupportedMediaType

MAX_UPLOAD = 256 * 1024 * 1024
SPOOL = 1024 * 1024

Name = Annotated[str, Field(max_length=LONGEST_NAME)]
Tag = Annotated[str, Field(min_length=1, max_length=LONGEST_TAG, pattern=r"^[^;\x1f]+$")]
Tags = Annotated[tuple[Tag, ...], Field(max_length=MOST_TAGS)]


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
    """`q`: in name or phone. `Accept: text/csv` gives all of them, streamed."""

    q: Annotated[str, Field(max_length=200)] | None = None
    tag: Annotated[str, Field(max_length=50)] | None = None


class NewContact(Body):
    """A person to talk with."""

    phone: Annotated[str, Field(max_length=40)]
    name: Name | None = None
    tags: Tags = ()
    owner_id: UUID | None = None
    opted_out: bool = False


class ContactChange(Body):
    """What is given is replaced. Conversations stay with the phone that they were had with."""

    phone: Annotated[str, Field(max_length=40)] | None = None
    name: Name | None = None
    tags: Tags | None = None
    owner_id: UUID | None = None
    opted_out: bool | None = None


class Rejection(BaseModel):
    line: int
    reason: str


class ImportAnswer(BaseModel):
    """What became of each line."""

    created: int
    updated: int
    rejected: list[Rejection]


@dataclass(frozen=True)
class Contacts:
    """The handlers. `region`: where a phone without a country is at home."""

    database: Database
    region: str
    users: UserDirectory

    async def list_all(self, request: Request) -> Page[ContactAnswer] | web.StreamResponse:
        """The tenant's contacts."""
        query: ContactsQuery = request.query
        tenant_id = request.identity.tenant_id
        if wants_csv(request.http):
            if request.identity.role < Role.ADMIN:
                raise Forbidden("Exporting takes the role admin or above.")
            rows = contact_files.export_contacts(self.database, tenant_id, q=query.q, tag=query.tag)
            return await stream(request.http, rows, "text/csv; charset=utf-8", csv_headers("contacts"))
        (after,) = decode_cursor(query.cursor, UUID) if query.cursor else (UUID(int=0),)
        async with self.database.connection() as conn:
            found = await store.list_contacts(
                conn, tenant_id, after=after, q=query.q, tag=query.tag, limit=query.limit + 1
            )
        shown, cursor = page(found, query.limit, lambda last: (last.id,))
        return Page(items=[_answer(contact) for contact in shown], next_cursor=cursor)

    async def add(self, request: Request, work: Work) -> ContactAnswer:
        """Add a contact."""
        new: NewContact = request.body
        await self._check_owner(work, request, new.owner_id)
        contact = await store.add_contact(
            work.conn,
            request.identity.tenant_id,
            uuid7(),
            requested_phone(new.phone, self.region, "body", "phone"),
            name=new.name,
            tags=new.tags,
            owner_id=new.owner_id,
            opted_out=new.opted_out,
        )
        return _answer(contact)

    async def change(self, request: Request, work: Work) -> ContactAnswer:
        """Change phone, name, tags, owner or opt-out."""
        given: ContactChange = request.body
        contact = await store.lock_contact(work.conn, request.identity.tenant_id, request.uuid("id"))
        changes = {name: getattr(given, name) for name in given.model_fields_set}
        for name in ("phone", "tags", "opted_out"):
            if name in changes and changes[name] is None:
                raise Invalid.field("must not be null", "body", name)
        await self._check_owner(work, request, changes.get("owner_id"))
        if "tags" in changes:
            changes["tags"] = list(changes["tags"])
        if "phone" in changes:
            changes["phone"] = requested_phone(changes["phone"], self.region, "body", "phone")
        return _answer(await store.save_contact(work.conn, request.identity.tenant_id, replace(contact, **changes)))

    async def import_file(self, request: Request) -> web.StreamResponse:
        """Import a CSV file: columns phone, name, tags (separated by `;`), owner_id, opted_out."""
        with SpooledTemporaryFile(max_size=SPOOL) as spool:

            def tell(line: int, reason: str) -> None:
                spool.write(b"," if spool.tell() else b"")
                spool.write(orjson.dumps({"line": line, "reason": reason}))

            report = contact_files.Report(tell)
            chunks = uploaded_chunks(request.http)
            await contact_files.import_contacts(
                self.database, request.identity.tenant_id, chunks, self.region, report, partial(self._is_user, request)
            )
            return await stream(request.http, _report(report, spool), "application/json")

    async def _check_owner(self, work: Work, request: Request, owner_id: UUID | None) -> None:
        if owner_id is not None and not await self.users.of_caller(request, work.conn).exists(owner_id):
            raise Invalid.field("is no user of this tenant", "body", "owner_id")

    async def _is_user(self, request: Request, user_id: UUID) -> bool:
        return await self.users.ask_auth(request, user_id) is not None


async def get(request: Request, conn: asyncpg.Connection) -> ContactAnswer:
    """One contact."""
    return _answer(await store.get_contact(conn, request.identity.tenant_id, request.uuid("id")))


async def drop(request: Request, work: Work) -> None:
    """Remove a contact; conversations with the phone stay."""
    await store.drop_contact(work.conn, request.identity.tenant_id, request.uuid("id"))


def _answer(contact: store.Contact) -> ContactAnswer:
    return ContactAnswer.model_validate(contact, from_attributes=True)


async def _report(report: contact_files.Report, rejected: IO[bytes]) -> AsyncIterator[bytes]:
    yield f'{{"created":{report.created},"updated":{report.updated},"rejected":['.encode()
    rejected.seek(0)
    while piece := rejected.read(SPOOL):
        yield piece
    yield b"]}"


def routes(database: Database, region: str, auth: ServiceClient) -> list[Route]:
    api = Contacts(database, region, UserDirectory(auth))
    return [
        PlainRoute("GET", "/api/v1/contacts", api.list_all, query=ContactsQuery, answer=Page[ContactAnswer]),
        WriteRoute(
            "POST",
            "/api/v1/contacts",
            api.add,
            body=NewContact,
            answer=ContactAnswer,
            creates=True,
            errors=(PhoneTaken,),
        ),
        PlainRoute(
            "POST",
            "/api/v1/contacts/import",
            api.import_file,
            answer=ImportAnswer,
            role=Role.ADMIN,
            errors=(UnusableFile, UnsupportedMediaType),
            max_body=MAX_UPLOAD,
        ),
        ReadRoute("GET", "/api/v1/contacts/{id}", get, answer=ContactAnswer),
        WriteRoute(
            "PATCH",
            "/api/v1/contacts/{id}",
            api.change,
            body=ContactChange,
            answer=ContactAnswer,
            errors=(PhoneTaken,),
        ),
        WriteRoute("DELETE", "/api/v1/contacts/{id}", drop),
    ]
