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

from conversations.adapters.provider_accounts import Accounts
from conversations.adapters.sandbox import Sandbox
from conversations.adapters.twilio import Twilio
from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.domain.providers import Account
from switchboard.contracts.auth import USER_PATH, TenantCreated, UserCreated
from switchboard.contracts.files import FILE_PATH
from switchboard.contracts.message import Message
from switchboard.http import HttpContext, http_app
from switchboard.http.identity import Identity, Role
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.health import Health
from switchboard.testing.app import Answer, call, deliver, published, verifier
from switchboard.testing.fake_service import FakeService, open_fake_service

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


@dataclass
class World:
    """One instance, without its loops: what it would send lies in the outbox."""

    database: Database
    client: TestClient[Any, Any]
    accounts: Accounts
    auth: FakeService
    files: FakeService

    async def call(
        self, who: Identity | None, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """One request as `who`, below `/api/v1`."""
        return await call(self.client, "conversations", who, method, path, body, key=key)

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
        await deliver(subscriptions(), self.database, message, tenant_id=tenant_id, id=id, at=at)

    async def published(self, type_: str | None = None) -> list[Message]:
        """What waits in the outbox, in its order."""
        return await published(self.database, type_)

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
    async with (
        open_database(url, application="conversations") as database,
        open_fake_service("auth", USER_PATH, callers="conversations", database=database) as auth,
        open_fake_service("files", FILE_PATH, callers="conversations", database=database) as files,
        aiohttp.ClientSession() as session,
    ):
        sandbox = Sandbox(database, reports_after=timedelta(milliseconds=50))
        twilio = Twilio(session, twilio_at, f"{PUBLIC_URL}/api/v1/webhooks")
        accounts = Accounts({"sandbox": sandbox, "twilio": twilio}, default)
        http = http_app(
            "conversations",
            routes(database, accounts, auth=auth.client, files=files.client, region="US", public_url=PUBLIC_URL),
            HttpContext(Health("conversations-test"), verifier=verifier("conversations"), database=database),
        )
        async with TestClient(TestServer(http)) as client:
            yield World(database, client, accounts, auth, files)
