"""A service that another one asks in its callers' names, reduced to what it would tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from aiohttp.test_utils import BaseTestServer, TestServer

from switchboard.contracts.message import Message
from switchboard.runtime.database import Database
from switchboard.runtime.health import Health
from switchboard.runtime.http import Call, http_app, tells
from switchboard.runtime.refusals import NotFound
from switchboard.runtime.service_client import ServiceClient, open_service_client
from switchboard.testing.app import verifier


@dataclass
class Neighbour:
    """`known`: what it tells, by tenant and id. `client`: for the service that asks it."""

    client: ServiceClient
    server: BaseTestServer
    known: dict[tuple[UUID, UUID], Message] = field(default_factory=dict)

    async def go_away(self) -> None:
        """Nobody answers any more."""
        await self.server.close()


@asynccontextmanager
async def open_neighbour(service: str, path: str, *, asked_by: str, database: Database) -> AsyncIterator[Neighbour]:
    """One that answers `path` (with its `{id}`), to `asked_by` alone. `database`: any, for the connections."""
    known: dict[tuple[UUID, UUID], Message] = {}

    async def tell(call: Call, _conn: asyncpg.Connection) -> Message:
        """What is known."""
        found = known.get((call.identity.tenant_id, call.uuid("id")))
        if found is None:
            raise NotFound
        return found

    http = http_app(
        service,
        [tells(path, tell, answer=Message, to=[asked_by])],
        health=Health(f"{service}-test"),
        verifier=verifier(service),
        database=database,
    )
    async with (
        TestServer(http) as server,
        open_service_client(service, [str(server.make_url("")).rstrip("/")]) as client,
    ):
        yield Neighbour(client, server, known)
