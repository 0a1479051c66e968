"""The HTTP application of a service, made from its route table.

Around each handler: the caller's identity and role, validation of body and query, a database connection or a unit of
work, the idempotency key, the answer as JSON. Around all of them: the middleware, and the endpoints `/livez`,
`/readyz`, `/health`, `/metrics` and `/internal/openapi.json`. Only these and routes marked `public` answer without a
valid identity.
"""

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from switchboard.http import idempotency
from switchboard.http.endpoints import HttpContext, defer_continue, endpoint
from switchboard.http.health_routes import add_health_routes, json_response
from switchboard.http.identity_keys import PublishedKeys
from switchboard.http.middleware import request_middleware, response_headers
from switchboard.http.openapi import service_document
from switchboard.http.routing import Route
from switchboard.runtime.background import LOOPS, Loop

OPENAPI_PATH = "/internal/openapi.json"


def http_app(name: str, routes: Sequence[Route], context: HttpContext) -> web.Application:
    """The HTTP application of the service `name`. Raises ValueError for a route that `context` can't serve."""
    app = web.Application(
        middlewares=[request_middleware(context.metrics)],
        client_max_size=context.max_body,
        handler_args={"auto_decompress": False},  # compressed bodies are refused, by the middleware
    )
    app.on_response_prepare.append(response_headers(context.health))
    for route in routes:
        resource = app.router.add_resource(route.path)
        handler = endpoint(route, context)
        resource.add_route(route.method, handler, expect_handler=defer_continue)
        if route.method == "GET":
            resource.add_route("HEAD", handler, expect_handler=defer_continue)
    _add_builtin_routes(app, name, routes, context)
    app[LOOPS] = _loops(routes, context)
    return app


def _loops(routes: Sequence[Route], context: HttpContext) -> list[Loop]:
    loops: list[Loop] = []
    if context.verifier is not None and isinstance(keys := context.verifier.keys, PublishedKeys):
        loops.append(keys.refresh)
        context.health.add("identity_keys", keys.check, ready=True)
    if context.database is not None and any(route.creates for route in routes):
        loops.append(idempotency.prune_keys(context.database))
    return loops


def _add_builtin_routes(app: web.Application, name: str, routes: Sequence[Route], context: HttpContext) -> None:
    document: dict[str, Any] = {}

    async def openapi(_request: web.Request) -> web.Response:
        if not document:
            document.update(service_document(name, routes))
        return json_response(document)

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(
            body=await context.metrics.exposition(context.health),
            headers={"Content-Type": context.metrics.content_type},
        )

    add_health_routes(app, context.health)
    app.router.add_get("/metrics", exposition)
    app.router.add_get(OPENAPI_PATH, openapi)
