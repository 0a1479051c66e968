"""`/livez`, `/readyz` and `/health` over HTTP."""

from typing import Any

import orjson
from aiohttp import web

from switchboard.runtime.health import Health


def add_health_routes(app: web.Application, health: Health) -> None:
    """Add `/livez`, `/readyz` and `/health`."""

    async def livez(_request: web.Request) -> web.Response:
        return json_response({"status": "ok", "instance": health.instance})

    async def readyz(_request: web.Request) -> web.Response:
        ready, report = await health.readiness()
        return json_response(report, 200 if ready else 503)

    async def full(_request: web.Request) -> web.Response:
        healthy, report = await health.report()
        return json_response(report, 200 if healthy else 503)

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/health", full)


def json_response(document: dict[str, Any], status: int = 200) -> web.Response:
    """A JSON response that must not be cached."""
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
