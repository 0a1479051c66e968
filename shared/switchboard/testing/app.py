"""A service from its two sides: users over HTTP with an identity, neighbours over the bus without a broker."""

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
    """What a request was answered."""

    status: int
    body: Any
    headers: dict[str, str]


def identity_headers(who: Identity, audience: str) -> dict[str, str]:
    """What the gateway would add to a request of theirs to the service `audience`."""
    return {IDENTITY_HEADER: SIGNER.sign(who, audience)}


def verifier(audience: str) -> IdentityVerifier:
    """What a service under test checks these headers by."""
    return IdentityVerifier(audience, FixedKeys([KEY]))


async def call(
    client: TestClient[Any, Any],
    audience: str,
    who: Identity | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = None,
) -> Answer:
    """One request below `/api/v1`, as `who` or with no identity; `key` is its Idempotency-Key."""
    headers = {} if who is None else identity_headers(who, audience)
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
    """As the consumer takes it: with its inbox row, in one transaction. The same `id` again is a redelivery."""
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
    """What waits in the outbox, in its order; of one type, if given."""
    async with database.connection() as conn:
        rows = await conn.fetch("select body from outbox order by id")
    envelopes = [Envelope.decode(row["body"]) for row in rows]
    return [registered()[e.type].read(e.data) for e in envelopes if type_ in (None, e.type)]
