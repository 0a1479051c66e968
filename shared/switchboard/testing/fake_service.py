"""A fake of a service that another service queries over internal HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from aiohttp.test_utils import BaseTestServer, TestServer

from switchboard.contracts.message import Message
from switchboard.http import HttpContext, InternalRoute, Request, http_app
from switchboard.http.client import ServiceClient, open_service_client
from switchboard.postgres.database import Database
from switchboard.runtime.health import Health
from switchboard.runtime.refusals import NotFound
from switchboard.testing.app import verifier


@dataclass
class FakeService:
    """A service with fixed answers. `known`: the answers by tenant and id. `client`: for the calling service."""

    client: ServiceClient
    server: BaseTestServer
    known: dict[tuple[UUID, UUID], Message] = field(default_factory=dict)

    async def stop(self) -> None:
        """Stop answering: connections are refused."""
        await self.server.close()


@asynccontextmanager
async def open_fake_service(service: str, path: str, *, callers: str, database: Database) -> AsyncIterator[FakeService]:
    """Serve `path` (with its `{id}`) to `callers` only. `database`: any database, for the connections."""
    known: dict[tuple[UUID, UUID], Message] = {}

    async def report_progress(request: Request, _conn: asyncpg.Connection) -> Message:
        """Return the known answer."""
        found = known.get((request.identity.tenant_id, request.uuid("id")))
        if found is None:
            raise NotFound
        return found

    http = http_app(
        service,
        [InternalRoute("GET", path, report_progress, answer=Message, callers=[callers])],
        HttpContext(Health(f"{service}-test"), verifier=verifier(service), database=database),
    )
    async with (
        TestServer(http) as server,
        open_service_client(service, [str(server.make_url("")).rstrip("/")]) as client,
    ):
        yield FakeService(client, server, known)
