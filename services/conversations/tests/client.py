"""A client of conversations: requests over HTTP, messages as the bus delivers them, on a real database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from redis.asyncio import Redis

from conversations.actions.messages import DeliveryHolder, NothingHeld
from conversations.adapters.credential_encryption import CredentialEncryption
from conversations.adapters.provider_accounts import ProviderAccounts
from conversations.adapters.sandbox import Sandbox
from conversations.adapters.twilio import Twilio
from conversations.api import routes
from conversations.consumers import subscriptions
from conversations.domain.providers import ProviderAccount
from conversations.store.delivery_claims import Claimed
from switchboard.contracts.auth import USER_PATH, TenantCreated, UserCreated
from switchboard.contracts.files import FILE_PATH
from switchboard.contracts.message import Message
from switchboard.event_log import EventLogWriter
from switchboard.event_log.hints import EventHints
from switchboard.http import HttpContext, http_app
from switchboard.http.identity import Identity, Role
from switchboard.http.server import HttpRunner
from switchboard.postgres.database import Database, open_database
from switchboard.runtime.health import Health
from switchboard.testing.app import Answer, call, deliver, published, verifier
from switchboard.testing.fake_service import FakeService, open_fake_service

from .fake_twilio import sign

TENANT = UUID(int=1)
ANNA = Identity(UUID(int=11), TENANT, Role.AGENT, UUID(int=111))
BEN = Identity(UUID(int=12), TENANT, Role.ADMIN, UUID(int=112))
OLGA = Identity(UUID(int=13), TENANT, Role.OWNER, UUID(int=113))
STRANGER = Identity(UUID(int=21), UUID(int=2), Role.OWNER, UUID(int=211))
PHONE = "+14155550100"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)

WEBHOOK = "/api/v1/webhooks/twilio/default"
PUBLIC_URL = "https://crm.example"
NOWHERE = "http://127.0.0.1:9"
SANDBOX = ProviderAccount("sandbox", "+15005550006", "default", {"secret": "shh"})
TWILIO = ProviderAccount("twilio", "+15005550006", "default", {"account_sid": "AC1", "auth_token": "token"})


class ServiceServer(TestServer):
    """Serves an application as a service's process does."""

    async def _make_runner(self, **kwargs: Any) -> web.BaseRunner:
        return HttpRunner(self.app, **kwargs)


@dataclass
class ConversationsClient:
    """One instance of conversations without its workers: what it would send is in its tables."""

    database: Database
    http: TestClient[Any, Any]
    accounts: ProviderAccounts
    holder: "RunningHolder"
    auth: FakeService
    files: FakeService

    async def call(
        self, caller: Identity | None, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """Send one request as `caller`, below `/api/v1`."""
        return await call(self.http, "conversations", caller, method, path, body, key=key)

    async def say(self, caller: Identity, phone: str, body: str) -> Any:
        """Send a message to the phone. Returns the answer's body."""
        answer = await self.call(caller, "POST", f"/conversations/{phone}/messages", {"body": body})
        assert answer.status == 201, answer.body
        return answer.body

    async def texts(self, caller: Identity, phone: str, query: str = "") -> list[tuple[int, str]]:
        """The messages of a conversation as (seq, body)."""
        answer = await self.call(caller, "GET", f"/conversations/{phone}/messages{query}")
        assert answer.status == 200, answer.body
        return [(item["seq"], item["body"]) for item in answer.body["items"]]

    async def deliver(
        self, message: Message, *, tenant_id: UUID = TENANT, id: UUID | None = None, at: datetime | None = None
    ) -> None:
        """Handle a message as the consumer does: in one transaction with its inbox row."""
        await deliver(subscriptions(), self.database, message, tenant_id=tenant_id, id=id, at=at)

    async def published(self, type_: str | None = None) -> list[Message]:
        """The messages in the outbox, in order."""
        return await published(self.database, type_)

    async def given_users(self) -> None:
        """Deliver auth's events about the tenant with Anna, Ben and Olga."""
        await self.deliver(
            TenantCreated(tenant_id=TENANT, name="Acme", status="trial", trial_ends_at=NOW + timedelta(days=14))
        )
        for caller, name in ((ANNA, "Anna"), (BEN, "Ben"), (OLGA, "Olga")):
            user = UserCreated(
                user_id=caller.user_id,
                email=f"{name.lower()}@acme.example",
                name=name,
                role=caller.role.value,
                disabled=False,
            )
            await self.deliver(user)

    async def webhook(self, form: dict[str, str], query: str = "", *, path: str = WEBHOOK, signature: str = "") -> int:
        """Send a webhook of Twilio, signed unless a `signature` is given. Returns the status."""
        target = path + query
        headers = {
            "X-Twilio-Signature": signature or sign(PUBLIC_URL + target, form),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        async with self.http.post(target, data=urlencode(form), headers=headers) as answer:
            return answer.status

    async def given_delivery(self) -> UUID:
        """Send a message. Returns the id of its delivery."""
        await self.say(ANNA, PHONE, "hello")
        (row,) = await self.fetch("select id from deliveries")
        return UUID(str(row["id"]))

    async def given_channel(self) -> Any:
        """Add a channel of the tenant at Twilio. Returns the answer's body."""
        body = {
            "provider": "twilio",
            "number": "+1 500 555 0008",
            "credentials": {"account_sid": "AC8", "auth_token": "token"},
        }
        answer = await self.call(BEN, "POST", "/channels", body)
        assert answer.status == 201, answer.body
        return answer.body

    async def fetch(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.connection() as conn:
            return [dict(row) for row in await conn.fetch(sql, *values)]


class RunningHolder:
    """Holds deliveries while a test runs workers that do."""

    def __init__(self) -> None:
        self.holder: DeliveryHolder = NothingHeld()

    def reserve(self, tenants: Sequence[UUID | None]) -> list[str | None]:
        return self.holder.reserve(tenants)

    def send(self, reserved: Sequence[UUID], held: Sequence[Claimed]) -> None:
        self.holder.send(reserved, held)


@asynccontextmanager
async def open_client(
    url: str,
    *,
    default: ProviderAccount = SANDBOX,
    twilio_at: str = NOWHERE,
    encryption: CredentialEncryption | None = None,
) -> AsyncIterator[ConversationsClient]:
    """`default`: the account of tenants without a channel. `twilio_at`: the URL of Twilio's API. `encryption`: none."""
    async with (
        open_database(url, application="conversations") as database,
        open_fake_service("auth", USER_PATH, callers="conversations", database=database) as auth,
        open_fake_service("files", FILE_PATH, callers="conversations", database=database) as files,
        aiohttp.ClientSession() as session,
    ):
        sandbox = Sandbox(database, reports_after=timedelta(milliseconds=50))
        twilio = Twilio(session, twilio_at, f"{PUBLIC_URL}/api/v1/webhooks")
        accounts = ProviderAccounts(
            {"sandbox": sandbox, "twilio": twilio}, default, encryption or CredentialEncryption()
        )
        holder = RunningHolder()
        application = http_app(
            "conversations",
            routes(
                database,
                accounts,
                auth=auth.client,
                files=files.client,
                hints=EventHints(EventLogWriter(Redis()), enabled=False),
                holder=holder,
                region="US",
                public_url=PUBLIC_URL,
            ),
            HttpContext(Health("conversations-test"), verifier=verifier("conversations"), database=database),
        )
        async with TestClient(ServiceServer(application)) as http:
            yield ConversationsClient(database, http, accounts, holder, auth, files)
