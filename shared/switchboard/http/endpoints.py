"""From a row of the route table to what aiohttp calls: one small function a route, everything looked up
beforehand.
"""

from __future__ import annotations

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
from switchboard.http.idempotency import Attempt, Stored
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

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class HttpContext:
    """What an HTTP application is built on, besides its routes."""

    health: Health
    metrics: Metrics = field(default_factory=Metrics)
    verifier: IdentityVerifier | None = None
    """Without it every route must be public."""
    database: Database | None = None
    """Needed by read and write routes."""
    max_body: int = MAX_BODY
    timeout: float = REQUEST_SECONDS
    """Seconds that a read or write route may take, reading its body included."""


def reply(model: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer to add cookies or headers to; a handler may return it in place of a model."""
    return web.Response(body=to_json(model), status=status, content_type=JSON, headers=headers)


def to_json(value: Any) -> bytes:
    """A model as JSON: times in RFC 3339 with `Z`, aliases where fields have them."""
    if isinstance(value, BaseModel):
        return value.__pydantic_serializer__.to_json(value, by_alias=True)
    return to_json_of_any(value, by_alias=True)


def endpoint(route: Route, context: HttpContext) -> Serve:
    """What answers one route."""
    identify = _identifies(route, context.verifier)
    parse = _parses(route, context)
    handle = _handles(route, context)

    async def serve(http: web.Request) -> web.StreamResponse:
        request = Request(http, await identify(http))
        raw = await parse(request)
        return await handle(request, raw)

    if isinstance(route, PlainRoute):
        return serve

    async def serve_in_time(request: web.Request) -> web.StreamResponse:
        async with asyncio.timeout(context.timeout):
            return await serve(request)

    return serve_in_time


async def expect_nothing_yet(_request: web.Request) -> None:
    """Instead of aiohttp's own `100 Continue`, which invites every body: `send_continue` does once it is welcome."""


def _identifies(route: Route, verifier: IdentityVerifier | None) -> Callable[[web.Request], Awaitable[Identity | None]]:
    if verifier is None:
        if not route.public:
            raise ValueError(f"{route.method} {route.path}: not public, and there is no verifier")
        return _nobody
    if isinstance(route, InternalRoute):
        verifier = verifier.of(*route.callers)

    async def identify(request: web.Request) -> Identity:
        identity = await verifier.verify(request.headers.get(IDENTITY_HEADER))
        bind_contextvars(tenant_id=str(identity.tenant_id), user_id=str(identity.user_id))
        if not identity.role.allows(route.role):
            raise Forbidden(f"This takes the role {route.role.value} or above.")
        return identity

    async def identify_if_any(request: web.Request) -> Identity | None:
        token = request.headers.get(IDENTITY_HEADER)
        if token is None:
            return None
        try:
            identity = await verifier.verify(token)
        except (Unauthenticated, Unavailable):
            return None
        bind_contextvars(tenant_id=str(identity.tenant_id), user_id=str(identity.user_id))
        return identity

    return identify_if_any if route.public else identify


async def _nobody(_request: web.Request) -> None:
    return None


def _parses(route: Route, context: HttpContext) -> Callable[[Request], Awaitable[bytes]]:
    body = route.body.__pydantic_validator__ if route.body else None
    query = route.query.__pydantic_validator__ if route.query else None
    takes_any_query = isinstance(route, PlainRoute)
    most = route.max_body or context.max_body

    async def parse(request: Request) -> bytes:
        http = request.http
        if query is not None:
            request.query = parse_query(_validator(query), http)
        elif http.query_string and not takes_any_query:
            name = next(iter(http.query), "")
            raise Invalid.field("Extra inputs are not permitted", "query", name)
        if body is None:
            return b""
        raw = await read_body(http, most)
        request.body = parse_body(_validator(body), raw)
        return raw

    return parse


Handle = Callable[[Request, bytes], Awaitable[web.StreamResponse]]


def _handles(route: Route, context: HttpContext) -> Handle:
    match route:
        case ReadRoute():
            return _reads(route, _database(route, context))
        case WriteRoute():
            return _writes(route, _database(route, context))
        case _:
            return _plain(route)


def _reads(route: Route, database: Database) -> Handle:
    async def read(request: Request, _raw: bytes) -> web.StreamResponse:
        async with database.connection() as conn:
            result = await route.handler(request, conn)
        return _answer(result, route.status)

    return read


def _writes(route: Route, database: Database) -> Handle:
    async def write(request: Request, raw: bytes) -> web.StreamResponse:
        attempt = _attempt(route, request, raw) if route.creates else None
        tenant_id = request.caller.tenant_id if request.caller else None
        async with open_work(database, tenant_id=tenant_id) as work:
            if attempt is None:
                return _answer(await route.handler(request, work), route.status)
            stored = await idempotency.claim(work.conn, attempt)
            if stored is None:
                stored = Stored(route.status, to_json(await route.handler(request, work)))
                await idempotency.settle(work.conn, attempt, stored)
        return web.Response(body=stored.body, status=stored.status, content_type=JSON)

    return write


def _plain(route: Route) -> Handle:
    async def do(request: Request, _raw: bytes) -> web.StreamResponse:
        if route.body is None:
            await send_continue(request.http)
        return _answer(await route.handler(request), route.status)

    return do


def _attempt(route: Route, request: Request, raw: bytes) -> Attempt | None:
    key = idempotency.read_key(request.http.headers.get(idempotency.HEADER))
    if key is None:
        return None
    same = idempotency.request_hash(request.http.path_qs, raw)
    who = request.identity
    return Attempt(who.tenant_id, who.user_id, f"{route.method} {route.path}", key, same)


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
    """pydantic may hold a validator that is built at its first use; both kinds are called alike."""
    found: SchemaValidator = validator
    return found
