"""What pages of the frontend may do from their own origin (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, traceparent"
EXPOSED = "X-Request-Id, Retry-After, Location, Content-Disposition"
REMEMBER_SECONDS = 600


class Cors:
    """Lets the frontend's origin in, and nobody else."""

    def __init__(self, frontend_url: str | None) -> None:
        parts = urlsplit(frontend_url or "")
        self._origin = f"{parts.scheme}://{parts.netloc}" if frontend_url else None
        self._lines = (
            f"Access-Control-Allow-Origin: {self._origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
            f"Access-Control-Expose-Headers: {EXPOSED}\r\nVary: Origin\r\n"
        ).encode()

    def lines(self, request: web.BaseRequest) -> bytes:
        """Header lines for an answer to this request."""
        origin = request.headers.get("Origin")
        return self._lines if origin is not None and origin == self._origin else b""

    def preflight(self, request: web.BaseRequest) -> web.Response | None:
        """The answer to a browser that asks whether it may ask; None for any other request."""
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        answer = web.Response(status=204, headers={"Vary": "Origin"})
        if request.headers.get("Origin") == self._origin:
            answer.headers["Access-Control-Allow-Methods"] = METHODS
            answer.headers["Access-Control-Allow-Headers"] = HEADERS
            answer.headers["Access-Control-Max-Age"] = str(REMEMBER_SECONDS)
        return answer
