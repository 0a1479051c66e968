"""The aiohttp handler of a route: authenticate, parse, call the route's handler, serialise the answer.

Everything that depends on the route alone is decided once, when the application is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import SchemaValidator
from pydantic_core import to_json as to_json_of_any
from structlog.contextvars import bind_contextvars

from switchboard.http import idempotency
from switchboard.http.idempotency import IdempotentRequest, StoredAnswer
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentityVerifier
from switchboard.http.parsing import parse_body, parse_query, read_body, send_continue
from switchboard.http.routing import InternalRoute, PlainRoute, ReadRoute, Request, Route, WriteRoute
from switchboard.messaging.outbox.unit_of_work import open_work
from switchboard.postgres.database import Database
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.refusals import Forbidden, Invalid, Unauthenticated
from switchboard.runtime.unavailable import Unavailable

JSON = "application/json"
MAX_BODY = 1024 * 1024
REQUEST_SECONDS = 15.0

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]
Handle = Callable[[Request, bytes], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class HttpContext:
    """The resources of an HTTP application."""

    health: Health
    metrics: Metrics = field(default_factory=Metrics)
    verifier: IdentityVerifier | None = None
    """Required unless every route is public."""
    database: Database | None = None
    """Required by read and write routes."""
    max_body: int = MAX_BODY
    timeout: float = REQUEST_SECONDS
    """Seconds for a request to a read or write route, including its body."""


def reply(model: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response. A handler returns it instead of a model to set cookies or headers."""
    return web.Response(body=to_json(model), status=status, content_type=JSON, headers=headers)


def to_json(value: Any) -> bytes:
    """Serialise a model: times in RFC 3339 with `Z`, fields by their aliases."""
    if isinstance(value, BaseModel):
        return value.__pydantic_serializer__.to_json(value, by_alias=True)
    return to_json_of_any(value, by_alias=True)


def endpoint(route: Route, context: HttpContext) -> Endpoint:
    """Make the aiohttp handler of a route. Raises ValueError when `context` lacks a resource that the route needs."""
    authenticate = _authentication(route, context.verifier)
    parse = _parsing(route, context)
    handle = _handling(route, context)

    async def serve(http: web.Request) -> web.StreamResponse:
        request = Request(http, await authenticate(http))
        raw = await parse(request)
        return await handle(request, raw)

    if isinstance(route, PlainRoute):
        return serve

    async def serve_with_timeout(http: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(context.timeout):
            return await serve(http)

    return serve_with_timeout


async def defer_continue(_request: web.Request) -> None:
    """Do not answer `Expect: 100-continue` yet, as aiohttp would: `send_continue` does when the body is acceptable."""


def _authentication(
    route: Route, verifier: IdentityVerifier | None
) -> Callable[[web.Request], Awaitable[Identity | None]]:
    if verifier is None:
        if not route.public:
            raise ValueError(f"{route.method} {route.path}: not public, and there is no verifier")
        return _anonymous
    if isinstance(route, InternalRoute):
        verifier = verifier.of(*route.callers)

    async def require_identity(request: web.Request) -> Identity:
        identity = await verifier.verify(request.headers.get(IDENTITY_HEADER))
        bind_contextvars(tenant_id=str(identity.tenant_id), user_id=str(identity.user_id))
        if not identity.role.allows(route.role):
            raise Forbidden(f"This requires the role {route.role.value} or higher.")
        return identity

    async def accept_identity(request: web.Request) -> Identity | None:
        token = request.headers.get(IDENTITY_HEADER)
        if token is None:
            return None
        try:
            identity = await verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None
        bind_contextvars(tenant_id=str(identity.tenant_id), user_id=str(identity.user_id))
        return identity

    return accept_identity if route.public else require_identity


async def _anonymous(_request: web.Request) -> None:
    return None


def _parsing(route: Route, context: HttpContext) -> Callable[[Request], Awaitable[bytes]]:
    body = route.body.__pydantic_validator__ if route.body else None
    query = route.query.__pydantic_validator__ if route.query else None
    allows_any_query = isinstance(route, PlainRoute)
    max_body = route.max_body or context.max_body

    async def parse(request: Request) -> bytes:
        http = request.http
        if query is not None:
            request.query = parse_query(_validator(query), http)
        elif http.query_string and not allows_any_query:
            name = next(iter(http.query), "")
            raise Invalid.field("Extra inputs are not permitted", "query", name)
        if body is None:
            return b""
        raw = await read_body(http, max_body)
        request.body = parse_body(_validator(body), raw)
        return raw

    return parse


def _handling(route: Route, context: HttpContext) -> Handle:
    match route:
        case ReadRoute():
            return _read(route, _database(route, context))
        case WriteRoute():
            return _write(route, _database(route, context))
        case _:
            return _plain(route)


def _read(route: Route, database: Database) -> Handle:
    async def read(request: Request, _raw: bytes) -> web.StreamResponse:
        async with database.connection() as conn:
            result = await route.handler(request, conn)
        return _answer(result, route.status)

    return read


def _write(route: WriteRoute, database: Database) -> Handle:
    async def write(request: Request, raw: bytes) -> web.StreamResponse:
        database.standby.require()
        keyed = _keyed_request(route, request, raw) if route.creates else None
        if route.shortcut is not None and (answer := await route.shortcut(request, keyed)) is not None:
            return _answer(answer, route.status)
        tenant_id = request.caller.tenant_id if request.caller else None
        async with open_work(database, tenant_id=tenant_id) as work:
            if keyed is None:
                return _answer(await route.handler(request, work), route.status)
            stored = await idempotency.claim(work.conn, keyed)
            if stored is None:
                stored = StoredAnswer(route.status, to_json(await route.handler(request, work)))
                await idempotency.store_answer(work.conn, keyed, stored)
        return web.Response(body=stored.body, status=stored.status, content_type=JSON)

    return write


def _plain(route: Route) -> Handle:
    async def call(request: Request, _raw: bytes) -> web.StreamResponse:
        if route.body is None:
            await send_continue(request.http)
        return _answer(await route.handler(request), route.status)

    return call


def _keyed_request(route: Route, request: Request, raw: bytes) -> IdempotentRequest | None:
    key = idempotency.read_key(request.http.headers.get(idempotency.HEADER))
    if key is None:
        return None
    request_hash = idempotency.request_hash(request.http.path_qs, raw)
    caller = request.identity
    return IdempotentRequest(caller.tenant_id, caller.user_id, f"{route.method} {route.path}", key, request_hash)


def _answer(result: Any, status: int) -> web.StreamResponse:
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=204 if status == 200 else status)
    return web.Response(body=to_json(result), status=status, content_type=JSON)


def _database(route: Route, context: HttpContext) -> Database:
    if context.database is None:
        raise ValueError(f"{route.method} {route.path}: needs the database")
    return context.database


def _validator(validator: Any) -> SchemaValidator:
    """The validator of a model, which pydantic may build at its first use; both kinds have the same methods."""
    typed: SchemaValidator = validator
    return typed
