"""The gateway's built-in routes: health checks, metrics, the OpenAPI and AsyncAPI documents, viewer and console."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files

from aiohttp import web

from api_gateway.api.asyncapi import asyncapi_document
from api_gateway.api.health import gateway_health
from api_gateway.api.openapi import OpenApi
from api_gateway.console.routes import ConsoleRoutes
from api_gateway.proxy.request import EdgeConfig, ProxyRequest
from api_gateway.proxy.routes import SERVICES
from api_gateway.upstreams.upstreams import Upstream
from switchboard.http.health_routes import json_response

Handler = Callable[[ProxyRequest], Awaitable[web.Response]]

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


class BuiltinRoutes:
    """Handlers of GET requests by path."""

    def __init__(self, config: EdgeConfig, upstreams: Mapping[str, Upstream]) -> None:
        self._health = config.health
        self._metrics = config.metrics
        self._services = {name: upstreams[name] for name in SERVICES}
        self._console = ConsoleRoutes()
        self._openapi = OpenApi(self._services, config.public_url)

    def routes(self) -> dict[str, Handler]:
        """Handlers by path."""
        return {
            "/livez": self.livez,
            "/readyz": self.readyz,
            "/health": self.health,
            "/metrics": self.metrics,
            "/openapi.json": self.openapi,
            "/asyncapi.json": self.asyncapi,
            **dict.fromkeys(VIEWER, self.viewer),
            "/": self._console.page,
            **dict.fromkeys(self._console.asset_paths, self._console.asset),
        }

    async def livez(self, _incoming: ProxyRequest) -> web.Response:
        """Liveness: the process answers."""
        return json_response({"status": "ok", "instance": self._health.instance})

    async def readyz(self, _incoming: ProxyRequest) -> web.Response:
        """Readiness: fails first during graceful shutdown."""
        ready, report = await self._health.readiness()
        return json_response(report, 200 if ready else 503)

    async def health(self, _incoming: ProxyRequest) -> web.Response:
        """Health of every instance of every service."""
        healthy, report = await gateway_health(self._health, self._services)
        return json_response(report, 200 if healthy else 503)

    async def metrics(self, _incoming: ProxyRequest) -> web.Response:
        """Metrics for Prometheus."""
        body = await self._metrics.exposition(self._health)
        return web.Response(body=body, headers={"Content-Type": self._metrics.content_type})

    async def openapi(self, _incoming: ProxyRequest) -> web.Response:
        """The OpenAPI document of all services."""
        return json_response(await self._openapi.document())

    async def asyncapi(self, _incoming: ProxyRequest) -> web.Response:
        """The AsyncAPI document of all events and commands."""
        return json_response(asyncapi_document())

    async def viewer(self, incoming: ProxyRequest) -> web.Response:
        """A file of the documents' viewer."""
        name, content_type = VIEWER[incoming.path]
        content = files("api_gateway").joinpath("viewer", name).read_bytes()
        headers = {"Content-Security-Policy": VIEWER_POLICY, "Cache-Control": "max-age=3600"}
        return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)
