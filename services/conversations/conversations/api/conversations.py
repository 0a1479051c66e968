"""The caller's own conversations. No role sees those of another user."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field

from conversations.actions import messages as actions
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.domain.sms import fault_of
from conversations.store import conversations as store
from conversations.store.contacts import known_spelling
from conversations.store.message_append import MessageToAppend
from switchboard.contracts.conversations import NOTE_CHANNEL, ConversationMessage
from switchboard.contracts.files import FILE_PATH
from switchboard.event_log.hints import EventHints, EventsBehind
from switchboard.http import Body, Page, PageQuery, ReadRoute, Request, Route, WriteRoute, decode_cursor, page
from switchboard.http.client import ServiceClient
from switchboard.http.idempotency import IdempotentRequest
from switchboard.http.paging import MAX_LIMIT
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.phones import requested_address, requested_phone, spellings_of
from switchboard.runtime.refusals import Invalid, NotFound

Seq = Annotated[int, Field(ge=0, le=2**53)]
OutgoingChannel = Literal["sms", "note"]
"""How a user's message goes out. Nothing else is carried yet, and what isn't carried is refused."""


class ConversationContactAnswer(BaseModel):
    """The contact with the conversation's phone."""

    id: UUID
    name: str | None
    tags: list[str]
    owner_id: UUID | None
    opted_out: bool


class ConversationAnswer(BaseModel):
    """One of the caller's conversations."""

    contact_phone: str
    contact: ConversationContactAnswer | None
    last_message: ConversationMessage | None
    unread: int
    updated_at: datetime
    metadata: dict[str, Any]


class ConversationsQuery(PageQuery):
    """`q`: search in phone, contact name and messages."""

    q: Annotated[str, Field(max_length=200)] | None = None


class MessagesQuery(Body):
    """Without `before` and `after` the newest messages; else those before or after that `seq`."""

    before: Seq | None = None
    after: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 50


class MessagesAnswer(BaseModel):
    """Messages, newest last. `next_before`: the `before` of the next older page; null when there is none."""

    items: list[ConversationMessage]
    next_before: int | None


class NewMessage(Body):
    """A message to send to the contact."""

    body: Annotated[str, Field(min_length=1, max_length=10_000)]
    channel: OutgoingChannel = "sms"
    attachments: Annotated[tuple[UUID, ...], Field(max_length=10)] = ()


class ReadUpTo(Body):
    """Messages up to and including `seq` are read."""

    seq: Seq


class NewMetadata(Body):
    """The client's own metadata of the conversation. Replaces the previous."""

    metadata: dict[str, Any]


@dataclass(frozen=True)
class Conversations:
    """Conversations of the caller. `region`: of phones without a country code."""

    region: str
    files: ServiceClient
    appender: actions.MessageAppender
    accounts: ProviderAccounts
    hints: EventHints

    def routes(self) -> list[Route]:
        base, one = "/api/v1/conversations", "/api/v1/conversations/{phone}"
        messages = f"{one}/messages"
        return [
            ReadRoute("GET", base, self.list, query=ConversationsQuery, answer=Page[ConversationAnswer]),
            ReadRoute("GET", one, self.get, answer=ConversationAnswer),
            ReadRoute("GET", messages, self.list_messages, query=MessagesQuery, answer=MessagesAnswer),
            WriteRoute(
                "POST",
                messages,
                self.append_message,
                body=NewMessage,
                answer=ConversationMessage,
                creates=True,
                shortcut=self.append_together,
                errors=(EventsBehind,),
            ),
            WriteRoute("POST", f"{one}/read", self.mark_read, body=ReadUpTo),
            WriteRoute("PATCH", one, self.set_metadata, body=NewMetadata),
            WriteRoute("DELETE", one, self.clear),
        ]

    async def _phone(self, request: Request, conn: asyncpg.Connection) -> str:
        """The address of a conversation that may exist, in the spelling in which it is known."""
        address = requested_address(request.path["phone"], self.region, "path", "phone")
        return await known_spelling(conn, request.identity.tenant_id, address)

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[ConversationAnswer]:
        """List my conversations, newest first."""
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

    async def get(self, request: Request, conn: asyncpg.Connection) -> ConversationAnswer:
        """Get my conversation with a phone, as the list shows it."""
        phone = await self._phone(request, conn)
        found = await store.find_conversation(conn, request.identity.tenant_id, request.identity.user_id, phone)
        if found is None:
            raise NotFound("There is no conversation with this phone.")
        return _answer(found)

    async def list_messages(self, request: Request, conn: asyncpg.Connection) -> MessagesAnswer:
        """List a conversation's messages by `seq`, newest last."""
        query: MessagesQuery = request.query
        items = await store.list_messages(
            conn,
            request.identity.tenant_id,
            request.identity.user_id,
            await self._phone(request, conn),
            before=query.before,
            after=query.after,
            limit=query.limit + 1,
        )
        if query.after is not None:
            return MessagesAnswer(items=items[: query.limit], next_before=None)
        more = len(items) > query.limit
        items = items[-query.limit :]
        return MessagesAnswer(items=items, next_before=items[0].seq if more else None)

    async def append_message(self, request: Request, work: Work) -> ConversationMessage:
        """Send a message to the contact, or with the channel `note` append an internal note.

        The status of a message is `queued` until the provider has accepted it. A note is never sent.
        """

        async def is_stored(file_id: UUID) -> bool:
            return await self.files.find(FILE_PATH.format(id=file_id), request.identity_header) is not None

        phone = await known_spelling(work.conn, request.identity.tenant_id, self._recipient(request))
        if request.body.attachments and request.body.channel != NOTE_CHANNEL:
            account = await self.accounts.of_tenant(work.conn, request.identity.tenant_id)
            if not self.accounts.provider_of(account).carries_attachments:
                fault = f"{account.provider} does not carry documents from here; send a link, or keep them with a note"
                raise Invalid.field(fault, "body", "attachments")
        return await actions.append_outgoing(work, self._new_message(request, phone), is_stored=is_stored)

    async def append_together(self, request: Request, keyed: IdempotentRequest | None) -> ConversationMessage | None:
        """Append a message without attachments together with those of other requests."""
        self.hints.check_busy()
        phone = self._recipient(request)
        if request.body.attachments or len(spellings_of(phone)) > 1:
            return None
        return await self.appender.append(self._new_message(request, phone), keyed)

    def _recipient(self, request: Request) -> str:
        fault = fault_of(request.body.body) if request.body.channel != NOTE_CHANNEL else None
        if fault is not None:
            raise Invalid.field(fault, "body", "body")
        find = requested_address if request.body.channel == NOTE_CHANNEL else requested_phone
        return find(request.path["phone"], self.region, "path", "phone")

    def _new_message(self, request: Request, phone: str) -> MessageToAppend:
        caller, new = request.identity, request.body
        return actions.outgoing_message(
            caller.tenant_id,
            caller.user_id,
            phone,
            new.body,
            channel=new.channel,
            attachments=new.attachments,
        )

    async def mark_read(self, request: Request, work: Work) -> None:
        """Mark messages up to and including a `seq` as read."""
        await actions.mark_read(work, request.identity.user_id, await self._phone(request, work.conn), request.body.seq)

    async def set_metadata(self, request: Request, work: Work) -> None:
        """Replace the conversation's metadata."""
        await actions.set_metadata(
            work, request.identity.user_id, await self._phone(request, work.conn), request.body.metadata
        )

    async def clear(self, request: Request, work: Work) -> None:
        """Delete all messages of the conversation. Succeeds when there is none."""
        await actions.clear_conversation(work, request.identity.user_id, await self._phone(request, work.conn))


def _answer(listed: store.ListedConversation) -> ConversationAnswer:
    return ConversationAnswer.model_validate(listed, from_attributes=True)
