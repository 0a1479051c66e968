"""Conversations over HTTP. All of them are the caller's own: no role sees another user's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from conversations.actions import messages as actions
from conversations.store import conversations as store
from switchboard.contracts.conversations import ConversationMessage
from switchboard.contracts.files import FILE_PATH
from switchboard.http import Body, Page, PageQuery, ReadRoute, Request, Route, WriteRoute, decode_cursor, page
from switchboard.http.client import ServiceClient
from switchboard.http.paging import MAX_LIMIT
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.phones import requested_phone

Seq = Annotated[int, Field(ge=0, le=2**53)]
Channel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ContactInConversation(BaseModel):
    """Who the phone belongs to."""

    id: UUID
    name: str | None
    tags: list[str]
    owner_id: UUID | None
    opted_out: bool


class ConversationAnswer(BaseModel):
    """One of the caller's conversations."""

    contact_phone: str
    contact: ContactInConversation | None
    last_message: ConversationMessage | None
    unread: int
    updated_at: datetime
    metadata: dict[str, Any]


class ConversationsQuery(PageQuery):
    """`q`: in the phone, the contact's name, or the messages."""

    q: Annotated[str, Field(max_length=200)] | None = None


class MessagesQuery(Body):
    """The newest, or those before or after a `seq`."""

    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50


class Messages(BaseModel):
    """Newest last. `next_before`: ask with `before=` for older ones; null when there are none."""

    items: list[ConversationMessage]
    next_before: int | None


class NewMessage(Body):
    """A message to the contact."""

    body: Annotated[str, Field(min_length=1, max_length=10_000)]
    channel: Channel = "sms"
    attachments: Annotated[tuple[UUID, ...], Field(max_length=10)] = ()


class Read(Body):
    """Read up to and with `seq`."""

    seq: Seq


class Metadata(Body):
    """What the client keeps about the conversation; replaces what was there."""

    metadata: dict[str, Any]


@dataclass(frozen=True)
class Conversations:
    """The handlers. `region`: where a phone without a country is at home."""

    region: str
    files: ServiceClient

    def phone(self, request: Request) -> str:
        return requested_phone(request.path["phone"], self.region, "path", "phone")

    async def list_mine(self, request: Request, conn: asyncpg.Connection) -> Page[ConversationAnswer]:
        """My conversations, newest first."""
        query: ConversationsQuery = request.query
        below = decode_cursor(query.cursor, datetime, UUID) if query.cursor else None
        found = await store.list_conversations(
            conn,
            request.identity.tenant_id,
            request.identity.user_id,
            q=query.q,
            below=below,
            limit=query.limit + 1,
        )
        shown, cursor = page(found, query.limit, lambda last: (last.updated_at, last.id))
        return Page(items=[_answer(listed) for listed in shown], next_cursor=cursor)

    async def list_messages(self, request: Request, conn: asyncpg.Connection) -> Messages:
        """A conversation's messages by `seq`, newest last."""
        query: MessagesQuery = request.query
        items = await store.list_messages(
            conn,
            request.identity.tenant_id,
            request.identity.user_id,
            self.phone(request),
            before=query.before,
            after=query.after,
            limit=query.limit + 1,
        )
        if query.after is not None:
            return Messages(items=items[: query.limit], next_before=None)
        more = len(items) > query.limit
        items = items[-query.limit :]
        return Messages(items=items, next_before=items[0].seq if more else None)

    async def append(self, request: Request, work: Work) -> ConversationMessage:
        """Send a message to the contact; `queued` until the provider has it."""
        new: NewMessage = request.body

        async def is_stored(file_id: UUID) -> bool:
            return await self.files.find(FILE_PATH.format(id=file_id), request.identity_header) is not None

        return await actions.write_message(
            work,
            request.identity.user_id,
            self.phone(request),
            new.body,
            channel=new.channel,
            attachments=new.attachments,
            is_stored=is_stored,
        )

    async def read(self, request: Request, work: Work) -> None:
        """Mark as read up to and with a `seq`."""
        await actions.mark_read(work, request.identity.user_id, self.phone(request), request.body.seq)

    async def patch(self, request: Request, work: Work) -> None:
        """Replace the conversation's metadata."""
        await actions.set_metadata(work, request.identity.user_id, self.phone(request), request.body.metadata)

    async def clear(self, request: Request, work: Work) -> None:
        """Clear the conversation; fine when there was none."""
        await actions.clear_conversation(work, request.identity.user_id, self.phone(request))


def _answer(listed: store.ListedConversation) -> ConversationAnswer:
    contact = listed.contact
    return ConversationAnswer(
        contact_phone=listed.contact_phone,
        contact=None if contact is None else ContactInConversation(**vars(contact)),
        last_message=listed.last_message,
        unread=listed.unread,
        updated_at=listed.updated_at,
        metadata=listed.metadata,
    )


def routes(region: str, files: ServiceClient) -> list[Route]:
    api = Conversations(region, files)
    one = "/api/v1/conversations/{phone}"
    return [
        ReadRoute(
            "GET", "/api/v1/conversations", api.list_mine, query=ConversationsQuery, answer=Page[ConversationAnswer]
        ),
        ReadRoute("GET", f"{one}/messages", api.list_messages, query=MessagesQuery, answer=Messages),
        WriteRoute("POST", f"{one}/messages", api.append, body=NewMessage, answer=ConversationMessage, creates=True),
        WriteRoute("POST", f"{one}/read", api.read, body=Read),
        WriteRoute("PATCH", one, api.patch, body=Metadata),
        WriteRoute("DELETE", one, api.clear),
    ]
