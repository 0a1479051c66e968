"""Errors over HTTP: `application/problem+json` (RFC 9457), the same shape everywhere."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from switchboard.runtime.refusals import (
    Malformed,
    NotFound,
    Refusal,
    ServiceUnavailable,
    TooLarge,
    UnsupportedMediaType,
)
from switchboard.runtime.unavailable import Unavailable

PROBLEM_JSON = "application/problem+json"


class InternalError(Refusal):
    """Something broke on our side. The request id helps to find it in the logs."""

    code = "internal_error"
    status = 500


class MethodNotAllowed(Refusal):
    """This route does not take this method."""

    code = "method_not_allowed"
    status = 405


class NoSuchRoute(NotFound):
    """There is no such route."""


class ExpectationFailed(Refusal):
    """Only `Expect: 100-continue` is understood."""

    code = "expectation_failed"
    status = 417


class TimedOut(ServiceUnavailable):
    """This took longer than a request may take."""

    code = "timeout"


class Starting(ServiceUnavailable):
    """This instance is starting."""

    code = "starting"


KNOWN: dict[int, type[Refusal]] = {
    kind.status: kind
    for kind in (Malformed, NoSuchRoute, MethodNotAllowed, TooLarge, UnsupportedMediaType, ExpectationFailed)
}


def problem_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    """The members of the problem document."""
    body: dict[str, Any] = {
        "type": f"urn:switchboard:problem:{refusal.code}",
        "title": refusal.title(),
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": request_id,
    }
    if refusal.errors:
        body["errors"] = refusal.errors
    return body


def problem(refusal: Refusal, request_id: str) -> web.Response:
    """The answer that tells a client of the refusal."""
    return web.Response(
        body=orjson.dumps(problem_body(refusal, request_id)),
        status=refusal.status,
        content_type=PROBLEM_JSON,
        headers=refusal.headers,
    )


def refusal_of(error: Exception) -> Refusal | None:
    """How an error that reached the edge is told; None for what nobody expected."""
    match error:
        case Refusal():
            return error
        case Unavailable():
            return ServiceUnavailable(retry_after=error.retry_after)
        case web.HTTPException():
            return _of_aiohttp(error)
        case web.RequestPayloadError():
            return Malformed("The body did not arrive as announced.")
        case TimeoutError():
            return TimedOut()
    return None


def _of_aiohttp(error: web.HTTPException) -> Refusal:
    kind = KNOWN.get(error.status)
    if kind is None:
        kind = type(
            "HttpRefusal", (Refusal,), {"code": f"http_{error.status}", "status": error.status, "__doc__": error.reason}
        )
    allow = error.headers.get("Allow")
    return kind(headers={"Allow": allow} if allow else None)
