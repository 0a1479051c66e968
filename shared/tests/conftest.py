"""A real HTTP server for a route table, and identities that its verifier accepts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from joserfc.jwk import OKPKey
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from switchboard.http import HttpContext, Route, http_app
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, IdentityVerifier, Role
from switchboard.http.identity_keys import FixedKeys, new_key
from switchboard.http.server import HttpRunner
from switchboard.runtime.health import Health

ANNA = Identity(
    user_id=UUID("01890000-0000-7000-8000-000000000001"),
    tenant_id=UUID("01890000-0000-7000-8000-0000000000aa"),
    role=Role.AGENT,
    session_id=UUID("01890000-0000-7000-8000-0000000000ff"),
)


class Start(Protocol):
    """Serve routes as the service `demo`. The client's paths are relative to it."""

    async def __call__(self, routes: Sequence[Route], **options: Any) -> aiohttp.ClientSession: ...


@pytest.fixture(scope="session")
def key() -> OKPKey:
    return new_key("k1")


@pytest.fixture
def health() -> Health:
    health = Health("demo-1")
    health.mark_ready()
    return health


@pytest.fixture
def anna() -> Identity:
    return ANNA


@pytest.fixture
def as_anna(key: OKPKey) -> dict[str, str]:
    return {IDENTITY_HEADER: IdentitySigner(key).sign(ANNA, "demo")}


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[web.Application], Awaitable[aiohttp.ClientSession]]]:
    async with AsyncExitStack() as stack:

        async def serve(app: web.Application) -> aiohttp.ClientSession:
            runner = HttpRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            return await stack.enter_async_context(aiohttp.ClientSession(f"http://{host}:{port}"))

        yield serve


@pytest.fixture
async def start(
    serve: Callable[[web.Application], Awaitable[aiohttp.ClientSession]], health: Health, key: OKPKey
) -> Start:
    async def start(routes: Sequence[Route], **options: Any) -> aiohttp.ClientSession:
        verifier = IdentityVerifier("demo", FixedKeys([key]))
        return await serve(http_app("demo", routes, HttpContext(**{"health": health, "verifier": verifier, **options})))

    return start


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log lines of the test, before they are rendered."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        yield lines
