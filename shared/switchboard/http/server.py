"""aiohttp's server, with a problem document as the answer to requests that it can't parse."""

from http import HTTPStatus
from uuid import uuid4

import structlog
from aiohttp import web

from switchboard.http.problems import problem
from switchboard.runtime.refusals import Malformed

LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read: a connection closed with unread bytes would lose the answer."""

log = structlog.get_logger("switchboard.http")


class HttpRunner(web.AppRunner):
    """Runs an application on `_Server`."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **{"lingering_time": LINGERING_SECONDS, **made._kwargs},
        )


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(web.RequestHandler):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived. A malformed body fails its reader at once: aiohttp would let it wait for ever."""
        super().data_received(data)
        request = self._current_request
        if request is None or not self._messages or request.content.is_eof():
            return
        request.content.set_exception(web.RequestPayloadError("the body is malformed"))

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request, which no route and no middleware has seen, and close the connection."""
        if status != HTTPStatus.BAD_REQUEST:
            return super().handle_error(request, status, exc, message)
        log.info("malformed_request", address=request.remote, reason=type(exc).__name__)
        answer = problem(Malformed(), uuid4().hex)
        answer.headers["Server"] = "switchboard"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Connection"] = "close"
        answer.force_close()
        return answer
