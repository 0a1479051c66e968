"""What the tenant sends with: its own accounts at providers. Admins only; credentials are never shown again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from secrets import token_urlsafe
from typing import Annotated, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field
from uuid_utils.compat import uuid7

from conversations.store import channels as store
from switchboard.http import Body, Page, PageQuery, ReadRoute, Request, Route, WriteRoute
from switchboard.http.identity import Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Conflict, Invalid, NotFound

NEEDED = {"twilio": frozenset({"account_sid", "auth_token"}), "sandbox": frozenset({"secret"})}

Secret = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[\x21-\x7e]+$")]
Credentials = Annotated[dict[str, Secret], Field(max_length=5)]


class ChannelTaken(Conflict):
    """The tenant has this number already."""

    code = "channel_exists"


class ChannelAnswer(BaseModel):
    """`webhook`: where the provider reaches us."""

    id: UUID
    provider: str
    number: str
    endpoint_key: str
    webhook: str
    is_default: bool
    created_at: datetime


class NewChannel(Body):
    provider: Literal["sandbox", "twilio"]
    number: Annotated[str, Field(max_length=40)]
    credentials: Credentials
    is_default: bool = False


class ChannelChange(Body):
    """What is given is replaced; `rotate_endpoint_key` makes the old webhook's path unknown."""

    credentials: Credentials | None = None
    is_default: bool | None = None
    rotate_endpoint_key: bool = False


@dataclass(frozen=True)
class Channels:
    region: str
    public_url: str

    async def list_all(self, request: Request, conn: asyncpg.Connection) -> Page[ChannelAnswer]:
        """The tenant's channels."""
        found = await store.list_channels(conn, request.identity.tenant_id)
        return Page(items=[self._answer(channel) for channel in found])

    async def add(self, request: Request, work: Work) -> ChannelAnswer:
        """Add a channel; the first is the default."""
        new: NewChannel = request.body
        _check(new.provider, new.credentials)
        number = requested_phone(new.number, self.region, "body", "number")
        channel = await store.add_channel(
            work.conn,
            uuid7(),
            request.identity.tenant_id,
            new.provider,
            number,
            dict(new.credentials),
            token_urlsafe(24),
        )
        if channel is None:
            raise ChannelTaken
        if new.is_default:
            channel = await store.make_default(work.conn, request.identity.tenant_id, channel.id)
        return self._answer(channel)

    async def change(self, request: Request, work: Work) -> ChannelAnswer:
        """Replace credentials, make it the default, or give its webhook a new path."""
        given: ChannelChange = request.body
        tenant_id, channel_id = request.identity.tenant_id, request.uuid("id")
        channel = await store.find_channel(work.conn, tenant_id, channel_id)
        if channel is None:
            raise NotFound
        if given.credentials is not None:
            _check(channel.provider, given.credentials)
            await store.save_credentials(work.conn, tenant_id, channel_id, dict(given.credentials))
        if given.rotate_endpoint_key:
            await store.save_endpoint_key(work.conn, tenant_id, channel_id, token_urlsafe(24))
        if given.is_default:
            await store.make_default(work.conn, tenant_id, channel_id)
        channel = await store.find_channel(work.conn, tenant_id, channel_id)
        assert channel is not None
        return self._answer(channel)

    def _answer(self, channel: store.Channel) -> ChannelAnswer:
        webhook = f"{self.public_url}/api/v1/webhooks/{channel.provider}/{channel.endpoint_key}"
        return ChannelAnswer(webhook=webhook, **vars(channel))


async def drop(request: Request, work: Work) -> None:
    """Remove a channel; its webhook is unknown from then on."""
    if not await store.drop_channel(work.conn, request.identity.tenant_id, request.uuid("id")):
        raise NotFound


def _check(provider: str, credentials: dict[str, str]) -> None:
    if set(credentials) != NEEDED[provider]:
        needed = " and ".join(sorted(NEEDED[provider]))
        raise Invalid.field(f"{provider} takes {needed}", "body", "credentials")


def routes(region: str, public_url: str) -> list[Route]:
    api = Channels(region, public_url)
    base, one = "/api/v1/channels", "/api/v1/channels/{id}"
    return [
        ReadRoute("GET", base, api.list_all, query=PageQuery, answer=Page[ChannelAnswer], role=Role.ADMIN),
        WriteRoute("POST", base, api.add, body=NewChannel, answer=ChannelAnswer, role=Role.ADMIN, status=201),
        WriteRoute("PATCH", one, api.change, body=ChannelChange, answer=ChannelAnswer, role=Role.ADMIN),
        WriteRoute("DELETE", one, drop, role=Role.ADMIN),
    ]
