"""Drive a service in a test: HTTP requests with an identity, and messages delivered without a broker."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp.test_utils import TestClient
from uuid_utils.compat import uuid7

from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Message, registered
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, IdentityVerifier
from switchboard.http.identity_keys import FixedKeys, new_key
from switchboard.messaging.inbox.deduplication import TransactionalEffect
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.postgres.database import Database

KEY = new_key("test")
SIGNER = IdentitySigner(KEY)


@dataclass(frozen=True)
class Answer:
    """A response: status, decoded body and headers."""

    status: int
    body: Any
    headers: dict[str, str]


def identity_headers(identity: Identity, audience: str) -> dict[str, str]:
    """Return the header that the gateway adds to a request to the service `audience`."""
    return {IDENTITY_HEADER: SIGNER.sign(identity, audience)}


def verifier(audience: str) -> IdentityVerifier:
    """Return the verifier of these headers for a service under test."""
    return IdentityVerifier(audience, FixedKeys([KEY]))


async def call(
    client: TestClient[Any, Any],
    audience: str,
    identity: Identity | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
) -> Answer:
    """Send one request below `/api/v1`, with or without an identity; `key` is its Idempotency-Key."""
    headers = {} if identity is None else identity_headers(identity, audience)
    if key is not None:
        headers["Idempotency-Key"] = key
    async with client.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
        content = await answer.json(content_type=None) if await answer.read() else None
        return Answer(answer.status, content, dict(answer.headers))


async def deliver(
    subscriptions: Subscriptions,
    database: Database,
    message: Message,
    *,
    tenant_id: UUID | None,
    id: UUID | None = None,
    at: datetime | None = None,
) -> None:
    """Handle a message as the consumer does: with its inbox row, in one transaction. The same `id` is a redelivery."""
    envelope = Envelope(
        id=id or uuid7(),
        source="test",
        type=message.type,
        subject=message.subject,
        time=at or datetime.now(UTC),
        data=message.model_dump(mode="json", by_alias=True),
        tenant_id=tenant_id,
    )
    for subscription, handlers in subscriptions.each():
        if message.type in handlers:
            await TransactionalEffect(database, subscription, handlers)([envelope])
            return
    raise LookupError(f"{subscriptions.service} doesn't handle {message.type}")


async def published(database: Database, type_: str | None = None) -> list[Message]:
    """Return the messages in the outbox, oldest first; of one type, if given."""
    async with database.connection() as conn:
        rows = await conn.fetch("select body from outbox order by id")
    envelopes = [Envelope.decode(row["body"]) for row in rows]
    return [registered()[e.type].read(e.data) for e in envelopes if type_ in (None, e.type)]
