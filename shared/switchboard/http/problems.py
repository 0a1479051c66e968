"""Problem documents: errors as `application/problem+json` (RFC 9457), the same shape everywhere."""

from typing import Any

import orjson
from aiohttp import web

from switchboard.postgres.standby import StandbyMissing
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
    """An unexpected error occurred. Please quote the request id when you report it."""

    code = "internal_error"
    status = 500


class MethodNotAllowed(Refusal):
    """This route does not support this method."""

    code = "method_not_allowed"
    status = 405


class NoSuchRoute(NotFound):
    """There is no such route."""


class ExpectationFailed(Refusal):
    """The only supported expectation is `Expect: 100-continue`."""

    code = "expectation_failed"
    status = 417


class TimedOut(ServiceUnavailable):
    """The request took too long."""

    code = "timeout"


class NoStandby(ServiceUnavailable):
    """Nothing is written while the database has no synchronous standby: try again later."""

    code = "no_standby"


class Starting(ServiceUnavailable):
    """This instance is still starting."""

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
    return web.Response(
        body=orjson.dumps(problem_body(refusal, request_id)),
        status=refusal.status,
        content_type=PROBLEM_JSON,
        headers=refusal.headers,
    )


def refusal_of(error: Exception) -> Refusal | None:
    """The refusal that a client gets for an error; None for an unexpected error."""
    match error:
        case Refusal():
            return error
        case StandbyMissing():
            return NoStandby(retry_after=error.retry_after)
        case Unavailable():
            return ServiceUnavailable(retry_after=error.retry_after)
        case web.HTTPException():
            return _of_aiohttp(error)
        case web.RequestPayloadError():
            return Malformed("The body could not be read completely.")
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
