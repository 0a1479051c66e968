"""The middleware of every HTTP application: request id, trace, log line, metrics, errors as problem documents.

The only place of a request with `except Exception`. A handler is not cancelled when its client disconnects: a write
that has begun is finished.
"""

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
from switchboard.runtime.message_log import is_logged
from switchboard.runtime.metrics import Metrics
from switchboard.runtime.refusals import UnsupportedMediaType
from switchboard.runtime.tracing import current_traceparent, span
from switchboard.runtime.unavailable import Unavailable

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
REQUEST_ID_KEY = web.RequestKey("request_id", str)
IDENTITY_CODING = "identity"  # no compression
PREPARED_KEY = web.RequestKey("prepared", bool)
UNMATCHED = "unmatched"
CLIENT_GONE = 499
PROBES = frozenset({"/livez", "/readyz", "/health", "/metrics"})

log = structlog.get_logger("switchboard.http")


def request_middleware(metrics: Metrics) -> Middleware:
    """The middleware around every route, and around requests that match none."""

    @web.middleware
    async def handle_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = perf_counter()
        request_id = request[REQUEST_ID_KEY] = _request_id(request)
        route = _template(request)
        bind_contextvars(request_id=request_id)
        if route in PROBES:
            return await _answer_or_problem(request, handler)
        parent = request.headers.get("traceparent")
        with span(f"{request.method} {route}", kind=SpanKind.SERVER, parent=parent):
            status = CLIENT_GONE
            try:
                response = await _answer_or_problem(request, handler)
                status = response.status
            finally:
                seconds = perf_counter() - started
                metrics.observe_request(request.method, route, status, seconds)
                _log_request(request, route, status, seconds)
        return response

    return handle_request


def response_headers(health: Health | None) -> Any:
    """A signal handler that adds the common headers to every response, and announces that the connection is closed.

    It is closed while draining, and after a response that comes before the end of the request's body: whoever sent the
    request must not send the next one into it.
    """

    async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
        request[PREPARED_KEY] = True
        response.headers.setdefault(REQUEST_ID_HEADER, request.get(REQUEST_ID_KEY, ""))
        response.headers["Server"] = "switchboard"
        response.headers.setdefault("Cache-Control", "no-store")  # what a service answers is private, and soon outdated
        response.headers.setdefault("Vary", "Accept")
        content = request.content
        if content.exception() is not None:
            content.feed_eof()  # aiohttp would wait for the rest
        elif content.is_eof() and (health is None or health.state != "draining"):
            return
        await announce_close(request, response)

    return set_headers


async def announce_close(_request: web.Request, response: web.StreamResponse) -> None:
    """A signal handler: close the connection after the response, and say so in it (RFC 9112, 9.6)."""
    response.force_close()
    response.headers["Connection"] = "close"  # aiohttp has set its headers before its signal handlers run


async def _answer_or_problem(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        _refuse_compression(request)
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < 400:
            raise  # a redirect
        return _problem_of(request, answer)
    except ConnectionError as error:
        if request.transport is None or request.transport.is_closing():
            raise  # the client has disconnected
        return _problem_of(request, error)
    except Exception as error:
        return _problem_of(request, error)


def _refuse_compression(request: web.Request) -> None:
    """Refuse a compressed body: a small one could decompress to any size, and no route needs them."""
    codings = request.headers.getall("Content-Encoding", ())
    if request.body_exists and any(coding.strip().lower() not in ("", IDENTITY_CODING) for coding in codings):
        raise UnsupportedMediaType(
            "Send the body without compression (Content-Encoding).", headers={"Accept-Encoding": IDENTITY_CODING}
        )


def _problem_of(request: web.Request, error: Exception) -> web.Response:
    """The problem document for an error. Aborts the connection when a response has already begun."""
    refusal = refusal_of(error)
    if refusal is None:
        log.error("request_broke", exc_info=error)
        refusal = InternalError()
    elif isinstance(error, Unavailable):
        bind_contextvars(outage=str(error))  # in the log line of this request
    if PREPARED_KEY in request:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the response had begun; the connection was aborted") from error
    return problem(refusal, request[REQUEST_ID_KEY])


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER)
    return given if given and REQUEST_ID.fullmatch(given) else uuid4().hex


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else UNMATCHED


def _log_request(request: web.Request, route: str, status: int, seconds: float) -> None:
    if status < 400 and not is_logged("request", current_traceparent()):
        return
    write = log.warning if status >= 500 else log.info
    write("request", method=request.method, route=route, path=request.path, status=status, ms=round(seconds * 1e3, 2))
