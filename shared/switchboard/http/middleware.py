"""The edge of every HTTP application: request id, trace, log line, metrics, and errors told as problems.

The one place of a request with `except Exception`. A handler isn't cancelled when its client goes away: a
write that began is finished.
"""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any
from uuid import uuid4

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry.trace import SpanKind
from structlog.contextvars import bind_contextvars

from switchboard.http.problems import InternalError, problem, refusal_of
from switchboard.runtime.health import Health
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.tracing import span
from switchboard.runtime.unavailable import Unavailable

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
REQUEST_ID_KEY = web.RequestKey("request_id", str)
PREPARED_KEY = web.RequestKey("prepared", bool)
UNMATCHED = "unmatched"
CLIENT_GONE = 499
PROBES = frozenset({"/livez", "/readyz", "/health", "/metrics"})

log = structlog.get_logger("switchboard.http")


def edge(metrics: Metrics) -> Middleware:
    """The middleware around every route, and around there being none."""

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = perf_counter()
        request_id = request[REQUEST_ID_KEY] = _request_id(request)
        route = _template(request)
        bind_contextvars(request_id=request_id)
        if route in PROBES:
            return await _answer(request, handler)
        parent = request.headers.get("traceparent")
        with span(f"{request.method} {route}", kind=SpanKind.SERVER, parent=parent):
            status = CLIENT_GONE
            try:
                response = await _answer(request, handler)
                status = response.status
            finally:
                seconds = perf_counter() - started
                metrics.observe_request(request.method, route, status, seconds)
                _log_request(request, route, status, seconds)
        return response

    return serve


def response_headers(health: Health | None) -> Any:
    """The last touch before headers leave: the request id, and no keep-alive while draining."""

    async def sign(request: web.Request, response: web.StreamResponse) -> None:
        request[PREPARED_KEY] = True
        response.headers.setdefault(REQUEST_ID_HEADER, request.get(REQUEST_ID_KEY, ""))
        response.headers["Server"] = "switchboard"
        if health is not None and health.state == "draining":
            response.force_close()
            response.headers["Connection"] = "close"

    return sign


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise  # a redirect
        return _told(request, answer)
    except ConnectionError as gone:
        if request.transport is None or request.transport.is_closing():
            raise  # the client went away: nobody is left to tell
        return _told(request, gone)
    except Exception as error:
        return _told(request, error)


def _told(request: web.Request, error: Exception) -> web.Response:
    """The problem document for an error; re-raises when an answer has begun already, which cuts the
    connection.
    """
    refusal = refusal_of(error)
    if refusal is None:
        log.error("request_broke", exc_info=error)
        refusal = InternalError()
    elif isinstance(error, Unavailable):
        bind_contextvars(outage=str(error))  # on the request's own line
    if PREPARED_KEY in request:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("an answer that had begun was cut off") from error
    return problem(refusal, request[REQUEST_ID_KEY])


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER)
    return given if given and REQUEST_ID.fullmatch(given) else uuid4().hex


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNMATCHED


def _log_request(request: web.Request, route: str, status: int, seconds: float) -> None:
    write = log.warning if status >= 500 else log.info
    write("request", method=request.method, route=route, path=request.path, status=status, ms=round(seconds * 1e3, 2))
