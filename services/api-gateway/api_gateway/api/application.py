"""The gateway's HTTP application: sends each request to the API proxy, the WebSocket proxy, S3 or a built-in route."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api_gateway.api.builtin_routes import BuiltinRoutes
from api_gateway.console.release import ASSETS
from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.object_store import PREFIX, ObjectStoreProxy
from api_gateway.proxy.request import EdgeConfig, ProxyRequest
from api_gateway.proxy.routes import API
from api_gateway.proxy.websockets import WebSocketProxy
from switchboard.http.problems import InternalError, MethodNotAllowed, NoSuchRoute, problem, refusal_of
from switchboard.runtime.unavailable import Unavailable

SOCKETS = "/socket.io/"
IDLE_SECONDS = 75.0
"""How long a connection may go without a complete request's head, as its first or its next."""
PROBES = frozenset({"/livez", "/readyz", "/health", "/metrics"})
"""Not logged, and answered whatever host is asked for: orchestrators and Prometheus use an address."""

log = structlog.get_logger(__name__)


class EdgeApplication:
    """Answers every request: with a service's response, a built-in route's, or a problem."""

    def __init__(self, config: EdgeConfig, proxy: Proxy) -> None:
        self._config = config
        self._proxy = proxy
        self.websockets = WebSocketProxy(proxy)
        self._object_store = ObjectStoreProxy(proxy)
        self._builtin = BuiltinRoutes(config, proxy.upstreams).routes()

    def application(self) -> web.Application:
        """The aiohttp application. Bodies pass as they are; a client that disconnects cancels its request."""
        app = web.Application(
            middlewares=[self._serve_unrouted],
            handler_args={
                "auto_decompress": False,
                "handler_cancellation": True,
                "keepalive_timeout": IDLE_SECONDS,
            },
        )
        any_path = "/{path:(?s:.*)}"  # even one with %0A in it
        app.router.add_route("*", any_path, self._serve, expect_handler=_expect_later)
        return app

    @web.middleware
    async def _serve_unrouted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer requests without a path (`OPTIONS *`, `CONNECT`), which no route matches, as all others."""
        return await (handler(request) if request.match_info.http_exception is None else self._serve(request))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        incoming = ProxyRequest(request, self._config)
        try:
            return await self._route(incoming)
        except Exception as error:
            return self._problem(incoming, error)

    async def _route(self, incoming: ProxyRequest) -> web.StreamResponse:
        path = incoming.path
        if path not in PROBES:
            self._config.hosts.check(incoming.request.headers.get("Host", ""))
        if incoming.request.method == "OPTIONS":
            preflight = self._config.cors.preflight(incoming.request)
            if preflight is not None:
                return self._finish(incoming, preflight)
        if path.startswith(API):
            return await self._proxy.handle(incoming)
        if path.startswith(SOCKETS):
            return await self.websockets.handle(incoming)
        if path.startswith(PREFIX):
            return await self._object_store.handle(incoming)
        handler = self._builtin.get(path)
        if handler is None:
            raise NoSuchRoute
        if incoming.request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
        response = await handler(incoming)
        incoming.route = ASSETS if path.startswith(ASSETS) else path
        return self._finish(incoming, response)

    def _problem(self, incoming: ProxyRequest, error: Exception) -> web.Response:
        refusal = refusal_of(error)
        if refusal is None:
            if isinstance(error, ConnectionError) and incoming.request.transport is None:
                raise error  # the client has disconnected
            log.error("request_broke", exc_info=error, request_id=incoming.request_id)
            refusal = InternalError()
        elif isinstance(error, Unavailable):
            log.warning("outage", reason=str(error), request_id=incoming.request_id)
        response = self._finish(incoming, problem(refusal, incoming.request_id))
        if incoming.request.body_exists and not incoming.request.content.at_eof():
            response.force_close()  # the rest of the body will not be read
        return response

    def _finish(self, incoming: ProxyRequest, response: web.Response) -> web.Response:
        """Add the headers of every response, and log it: it is sent at once."""
        response.headers["Server"] = "switchboard"
        if incoming.closes_connection:
            response.force_close()
        for line in incoming.response_headers().decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name:
                response.headers.setdefault(name, value)
        if incoming.path not in PROBES:
            incoming.finish(response.status)
        return response


async def _expect_later(request: web.Request) -> None:
    """Leave `Expect: 100-continue` to `proxy.bodies`, which answers it once session, size and upstream are checked."""
