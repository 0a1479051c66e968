"""The gateway's HTTP application: its own few routes, `/socket.io`, and the API, under one edge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from aiohttp import web

from api_gateway.proxy.file_downloads import PREFIX, StorePassage
from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.request import Incoming, Surface
from api_gateway.proxy.routes import API
from api_gateway.proxy.websockets import Sockets
from switchboard.http.problems import InternalError, MethodNotAllowed, NoSuchRoute, problem, refusal_of
from switchboard.runtime.unavailable import Unavailable

Page = Callable[[], Awaitable[web.Response]]

SOCKETS = "/socket.io/"
QUIET = frozenset({"/livez", "/readyz", "/health", "/metrics"})

log = structlog.get_logger(__name__)


class Edge:
    """Answers every request: with what a service says, or with a page of its own, or with a problem."""

    def __init__(
        self,
        surface: Surface,
        proxy: Proxy,
        sockets: Sockets,
        pages: dict[str, Page],
        store: StorePassage | None = None,
    ) -> None:
        self._surface = surface
        self._proxy = proxy
        self._sockets = sockets
        self._pages = pages
        self._store = store

    def application(self) -> web.Application:
        """Bodies pass through as they are, and a client that goes away takes its request with it."""
        app = web.Application(handler_args={"auto_decompress": False, "handler_cancellation": True})
        everything = "/{path:(?s:.*)}"  # with a %0A in it too
        app.router.add_route("*", everything, self.serve, expect_handler=_later)
        return app

    async def serve(self, request: web.Request) -> web.StreamResponse:
        incoming = Incoming(request, self._surface)
        try:
            return await self._answer(incoming)
        except Exception as error:
            return self._told(incoming, error)

    async def _answer(self, incoming: Incoming) -> web.StreamResponse:
        path = incoming.path
        preflight = self._surface.cors.preflight(incoming.request)
        if preflight is not None:
            return self._signed(incoming, preflight)
        if path.startswith(API):
            return await self._proxy.pass_on(incoming)
        if path.startswith(SOCKETS):
            return await self._sockets.pass_on(incoming)
        if self._store is not None and path.startswith(PREFIX):
            return await self._store.pass_on(incoming)
        page = self._pages.get(path)
        if page is None:
            raise NoSuchRoute
        if incoming.request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(headers={"Allow": "GET, HEAD"})
        answer = await page()
        incoming.route = path
        return self._signed(incoming, answer)

    def _told(self, incoming: Incoming, error: Exception) -> web.Response:
        refusal = refusal_of(error)
        if refusal is None:
            if isinstance(error, ConnectionError) and incoming.request.transport is None:
                raise error  # the client went away
            log.error("request_broke", exc_info=error, request_id=incoming.request_id)
            refusal = InternalError()
        elif isinstance(error, Unavailable):
            log.warning("outage", reason=str(error), request_id=incoming.request_id)
        answer = self._signed(incoming, problem(refusal, incoming.request_id))
        if incoming.request.body_exists and not incoming.request.content.at_eof():
            answer.force_close()  # the rest of the body isn't wanted
        return answer

    def _signed(self, incoming: Incoming, answer: web.Response) -> web.Response:
        """With what stands on every answer. Logged here, since it goes out at once."""
        answer.headers["Server"] = "switchboard"
        if incoming.is_last:
            answer.force_close()
        for line in incoming.ours().decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name:
                answer.headers.setdefault(name, value)
        if incoming.path not in QUIET:
            incoming.done(answer.status)
        return answer


def json_page(document: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


async def _later(request: web.Request) -> None:
    """`Expect: 100-continue` is answered when session, size and upstream are known to be fine."""
