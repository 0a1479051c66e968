"""Channels: a tenant's own accounts at messaging providers. For admins; credentials are never returned."""

import re
from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from conversations.adapters.credential_encryption import CredentialEncryption
from conversations.store import channels as store
from switchboard.http import Body, Page, PageQuery, ReadRoute, Request, Route, WriteRoute
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Conflict, Invalid, NotFound

REQUIRED = {"twilio": frozenset({"account_sid", "auth_token"}), "sandbox": frozenset({"secret"})}

# A Messaging Service SID, a short code, or an alphanumeric sender ID (twilio.com/docs/messaging/services).
OTHER_SENDER = re.compile(r"MG[0-9a-f]{32}|[0-9]{3,6}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII)

Secret = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]
Credentials = Annotated[dict[str, Secret], Field(max_length=5)]


class ChannelTaken(Conflict):
    """The tenant already has a channel with this number."""

    code = "channel_exists"


class ChannelAnswer(BaseModel):
    """A channel. `webhook`: the URL to configure at the provider."""

    id: UUID
    provider: str
    number: str
    endpoint_key: str
    webhook: str
    is_default: bool
    created_at: datetime


class NewChannel(Body):
    """A channel to add."""

    provider: Literal["sandbox", "twilio"]
    number: Annotated[str, Field(max_length=40)]
    credentials: Credentials
    is_default: bool = False


class ChannelChange(Body):
    """Fields to replace. `rotate_endpoint_key`: give the webhook a new URL; the old one stops working."""

    credentials: Credentials | None = None
    is_default: bool | None = None
    rotate_endpoint_key: bool = False


@dataclass(frozen=True)
class Channels:
    """Channels of the tenant. `region`: of phones without a country code. `public_url`: base of the webhooks' URLs."""

    region: str
    public_url: str
    encryption: CredentialEncryption

    def routes(self) -> list[Route]:
        base, one = "/api/v1/channels", "/api/v1/channels/{id}"
        return [
            ReadRoute("GET", base, self.list, query=PageQuery, answer=Page[ChannelAnswer], role=Role.ADMIN),
            WriteRoute("POST", base, self.create, body=NewChannel, answer=ChannelAnswer, role=Role.ADMIN, status=201),
            WriteRoute("PATCH", one, self.update, body=ChannelChange, answer=ChannelAnswer, role=Role.ADMIN),
            WriteRoute("DELETE", one, self.delete, role=Role.ADMIN),
        ]

    async def list(self, request: Request, conn: asyncpg.Connection) -> Page[ChannelAnswer]:
        """List the tenant's channels."""
        found = await store.list_channels(conn, request.identity.tenant_id)
        return Page(items=[self._answer(channel) for channel in found])

    async def create(self, request: Request, work: Work) -> ChannelAnswer:
        """Add a channel. The first one is the default."""
        new: NewChannel = request.body
        _check_credentials(new.provider, new.credentials)
        number = self._sender(new)
        channel = await store.add_channel(
            work.conn,
            uuid7(),
            request.identity.tenant_id,
            new.provider,
            number,
            self.encryption.seal(dict(new.credentials)),
            token_urlsafe(24),
        )
        if channel is None:
            raise ChannelTaken
        if new.is_default:
            channel = await store.make_default(work.conn, request.identity.tenant_id, channel.id)
        return self._answer(channel)

    def _sender(self, new: NewChannel) -> str:
        """The number; at Twilio also a Messaging Service, a short code, or an alphanumeric sender."""
        if new.provider == "twilio" and OTHER_SENDER.fullmatch(new.number):
            return new.number
        return requested_phone(new.number, self.region, "body", "number")

    async def update(self, request: Request, work: Work) -> ChannelAnswer:
        """Replace a channel's credentials, make it the default, or give its webhook a new URL."""
        change: ChannelChange = request.body
        tenant_id, channel_id = request.identity.tenant_id, request.uuid("id")
        channel = await store.find_channel(work.conn, tenant_id, channel_id)
        if channel is None:
            raise NotFound
        if change.credentials is not None:
            _check_credentials(channel.provider, change.credentials)
            sealed = self.encryption.seal(dict(change.credentials))
            await store.save_credentials(work.conn, tenant_id, channel_id, sealed)
        if change.rotate_endpoint_key:
            await store.save_endpoint_key(work.conn, tenant_id, channel_id, token_urlsafe(24))
        if change.is_default:
            await store.make_default(work.conn, tenant_id, channel_id)
        channel = await store.find_channel(work.conn, tenant_id, channel_id)
        assert channel is not None
        return self._answer(channel)

    async def delete(self, request: Request, work: Work) -> None:
        """Delete a channel. Its webhook stops working."""
        if not await store.drop_channel(work.conn, request.identity.tenant_id, request.uuid("id")):
            raise NotFound

    def _answer(self, channel: store.Channel) -> ChannelAnswer:
        webhook = f"{self.public_url}/api/v1/webhooks/{channel.provider}/{channel.endpoint_key}"
        return ChannelAnswer(webhook=webhook, **vars(channel))


def _check_credentials(provider: str, credentials: dict[str, str]) -> None:
    if set(credentials) != REQUIRED[provider]:
        names = " and ".join(sorted(REQUIRED[provider]))
        raise Invalid.field(f"{provider} takes {names}", "body", "credentials")
