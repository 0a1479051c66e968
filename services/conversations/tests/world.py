"""Conversations on a real database, seen over HTTP by its users and over the bus by its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp.test_utils import TestClient, TestServer
from joserfc.jwk import OKPKey
from uuid_utils.compat import uuid7

from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.providers.protocol import Account
from conversations.providers.sandbox import Sandbox
from conversations.providers.twilio import Twilio
from conversations.sending.accounts import Accounts
from switchboard.contracts.auth import TenantCreated, UserCreated
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.message import Message, registered
from switchboard.messaging.delivery import TransactionalEffect
from switchboard.runtime.database import Database, open_database
from switchboard.runtime.health import Health
from switchboard.runtime.http import http_app
from switchboard.runtime.identity import IDENTITY_HEADER, Identity, IdentitySigner, IdentityVerifier, Role
from switchboard.runtime.identity_keys import FixedKeys

TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
BEN = Identity(UUID(int=12), TENANT, Role.ADMIN, UUID(int=112))
OLGA = Identity(UUID(int=13), TENANT, Role.OWNER, UUID(int=113))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))
PHONE = "+14155550100"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)

PUBLIC_URL = "https://crm.example"
NOWHERE = "http://127.0.0.1:9"
SANDBOX = Account("sandbox", "+15005550006", "default", {"secret": "shh"})
TWILIO = Account("twilio", "+15005550006", "default", {"account_sid": "AC1", "auth_token": "token"})

KEY = OKPKey.generate_key("Ed25519", parameters={"kid": "test"})


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class World:
    """One instance, without its loops: what it would send lies in the outbox."""

    database: Database
    client: TestClient[Any, Any]
    signer: IdentitySigner
    accounts: Accounts

    async def call(
        self, who: Identity | None, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """One request as `who`, below `/api/v1`."""
        headers = {} if who is None else {IDENTITY_HEADER: self.signer.sign(who, "conversations")}
        if key is not None:
            headers["Idempotency-Key"] = key
        async with self.client.request(method, f"/api/v1{path}", json=body, headers=headers) as answer:
            content = await answer.json(content_type=None) if await answer.read() else None
            return Answer(answer.status, content, dict(answer.headers))

    async def say(self, who: Identity, phone: str, body: str) -> Any:
        answer = await self.call(who, "POST", f"/conversations/{phone}/messages", {"body": body})
        assert answer.status == 201, answer.body
        return answer.body

    async def texts(self, who: Identity, phone: str, query: str = "") -> list[tuple[int, str]]:
        answer = await self.call(who, "GET", f"/conversations/{phone}/messages{query}")
        assert answer.status == 200, answer.body
        return [(item["seq"], item["body"]) for item in answer.body["items"]]

    async def deliver(
        self, message: Message, *, tenant_id: UUID = TENANT, id: UUID | None = None, at: datetime | None = None
    ) -> None:
        """As the consumer takes it: with its inbox row, in one transaction."""
        for subscription, handlers in subscriptions().each():
            if message.type in handlers:
                envelope = Envelope(
                    id=id or uuid7(),
                    source="test",
                    type=message.type,
                    subject=message.subject,
                    time=at or datetime.now(UTC),
                    data=message.model_dump(mode="json", by_alias=True),
                    tenant_id=tenant_id,
                )
                return await TransactionalEffect(self.database, subscription, handlers)([envelope])
        raise LookupError(message.type)

    async def published(self, type_: str | None = None) -> list[Message]:
        """What waits in the outbox, in its order."""
        async with self.database.connection() as conn:
            rows = await conn.fetch("select body from outbox order by id")
        envelopes = [Envelope.decode(row["body"]) for row in rows]
        return [registered()[e.type].read(e.data) for e in envelopes if type_ in (None, e.type)]

    async def given_users(self) -> None:
        """The tenant with Anna, Ben and Olga, as auth told of them."""
        await self.deliver(
            TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=NOW + timedelta(days=14))
        )
        for who, name in ((ANNA, "Anna"), (BEN, "Ben"), (OLGA, "Olga")):
            user = UserCreated(
                user_id=who.user_id,
                email=f"{name.lower()}@acme.example",
                name=name,
                role=who.role.value,
                disabled=False,
            )
            await self.deliver(user)

    async def fetch(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as conn:
            return [dict(row) for row in await conn.fetch(sql, *values)]


@asynccontextmanager
async def open_world(url: str, *, default: Account = SANDBOX, twilio_at: str = NOWHERE) -> AsyncIterator[World]:
    """`default`: the account that tenants send with. `twilio_at`: where Twilio is."""
    async with open_database(url, application="conversations") as database, aiohttp.ClientSession() as session:
        sandbox = Sandbox(database, reports_after=timedelta(milliseconds=50))
        twilio = Twilio(session, twilio_at, f"{PUBLIC_URL}/api/v1/webhooks")
        accounts = Accounts({"sandbox": sandbox, "twilio": twilio}, default)
        http = http_app(
            "conversations",
            routes(database, accounts, region="US", public_url=PUBLIC_URL),
            health=Health("conversations-test"),
            verifier=IdentityVerifier("conversations", FixedKeys([KEY])),
            database=database,
        )
        async with TestClient(TestServer(http)) as client:
            yield World(database, client, IdentitySigner(KEY), accounts)
