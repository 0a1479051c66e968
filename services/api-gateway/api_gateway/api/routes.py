"""The gateway's own pages: its health, the documents of the API and the bus, and their viewer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from aiohttp import web

from api_gateway.api.asyncapi import asyncapi_document
from api_gateway.api.health import whole_health
from api_gateway.api.middleware import json_page
from api_gateway.api.openapi import OpenApi
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics

Page = Callable[[], Awaitable[web.Response]]

VIEWER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
VIEWER = {
    "/docs": ("index.html", "text/html"),
    "/docs/": ("index.html", "text/html"),
    "/docs/start.js": ("start.js", "text/javascript"),
    "/docs/swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
    "/docs/swagger-ui.css": ("swagger-ui.css", "text/css"),
}


def pages(health: Health, metrics: Metrics, upstreams: Mapping[str, Upstream], public_url: str) -> dict[str, Page]:
    """By path."""
    openapi = OpenApi(upstreams, public_url)

    async def livez() -> web.Response:
        return json_page({"status": "ok", "instance": health.instance})

    async def readyz() -> web.Response:
        ready, report = await health.readiness()
        return json_page(report, 200 if ready else 503)

    async def whole() -> web.Response:
        well, report = await whole_health(health, upstreams)
        return json_page(report, 200 if well else 503)

    async def exposition() -> web.Response:
        return web.Response(body=await metrics.exposition(health), headers={"Content-Type": metrics.content_type})

    async def openapi_document() -> web.Response:
        return json_page(await openapi.document())

    async def asyncapi() -> web.Response:
        return json_page(asyncapi_document())

    found: dict[str, Page] = {
        "/livez": livez,
        "/readyz": readyz,
        "/health": whole,
        "/metrics": exposition,
        "/openapi.json": openapi_document,
        "/asyncapi.json": asyncapi,
    }
    return found | {path: _viewer(name, kind) for path, (name, kind) in VIEWER.items()}


def _viewer(name: str, kind: str) -> Page:
    async def show() -> web.Response:
        content = files("api_gateway").joinpath("viewer", name).read_bytes()
        headers = {"Content-Security-Policy": VIEWER_POLICY, "Cache-Control": "max-age=3600"}
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=headers)

    return show
