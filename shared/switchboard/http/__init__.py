"""The HTTP application of a service, made from its table of routes.

Around each handler: the identity and its role, body and query validated, a connection or a `Work`, the
idempotency key, the answer as JSON. Around all of them the edge (see `edge`), `/livez`, `/readyz`, `/health`,
`/metrics`, and `/internal/openapi.json`. Only those and routes marked `public` answer without a valid
identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from switchboard.http import idempotency
from switchboard.http.endpoints import Surroundings, endpoint, expect_nothing_yet, reply
from switchboard.http.health_routes import add_health_routes, as_json
from switchboard.http.identity import IdentityVerifier
from switchboard.http.identity_keys import PublishedKeys
from switchboard.http.middleware import edge, response_headers
from switchboard.http.openapi import fragment
from switchboard.http.paging import Page, PageQuery, decode_cursor, encode_cursor, page
from switchboard.http.parsing import Body, Moment
from switchboard.http.routing import Request, Route, internal, plain, reads, writes
from switchboard.postgres.database import Database
from switchboard.runtime.background import LOOPS, Loop
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

__all__ = [
    "LOOPS",
    "Body",
    "Moment",
    "Page",
    "PageQuery",
    "Request",
    "Route",
    "decode_cursor",
    "encode_cursor",
    "http_app",
    "internal",
    "page",
    "plain",
    "reads",
    "reply",
    "writes",
]  # fmt: skip

OPENAPI_PATH = "/internal/openapi.json"
MAX_BODY = 1024 * 1024
REQUEST_SECONDS = 15.0


def http_app(
    name: str,
    routes: Sequence[Route],
    *,
    health: Health,
    verifier: IdentityVerifier | None = None,
    database: Database | None = None,
    metrics: Metrics | None = None,
    max_body: int = MAX_BODY,
    within: float = REQUEST_SECONDS,
) -> web.Application:
    """The application. `within`: seconds that a `reads` or `writes` may take, reading its body included.

    Without a `verifier` every route must be public; `reads` and `writes` need a `database`.
    """
    metrics = metrics or Metrics()
    app = web.Application(middlewares=[edge(metrics)], client_max_size=max_body)
    app.on_response_prepare.append(response_headers(health))
    surroundings = Surroundings(verifier=verifier, database=database, max_body=max_body, within=within)
    for route in routes:
        resource = app.router.add_resource(route.path)
        resource.add_route(route.method, endpoint(route, surroundings), expect_handler=expect_nothing_yet)
    _add_standing_routes(app, name, routes, health, metrics)
    app[LOOPS] = _loops(routes, surroundings, health)
    return app


def _loops(routes: Sequence[Route], around: Surroundings, health: Health) -> list[Loop]:
    loops: list[Loop] = []
    if around.verifier is not None and isinstance(keys := around.verifier.keys, PublishedKeys):
        loops.append(keys.refreshing)
        health.add("identity_keys", keys.check, ready=True)
    if around.database is not None and any(route.creates for route in routes):
        loops.append(idempotency.pruning(around.database))
    return loops


def _add_standing_routes(
    app: web.Application, name: str, routes: Sequence[Route], health: Health, metrics: Metrics
) -> None:
    document: dict[str, Any] = {}

    async def openapi(_request: web.Request) -> web.Response:
        if not document:
            document.update(fragment(name, routes))
        return as_json(document)

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(body=await metrics.exposition(health), headers={"Content-Type": metrics.content_type})

    add_health_routes(app, health)
    app.router.add_get("/metrics", exposition)
    app.router.add_get(OPENAPI_PATH, openapi)
