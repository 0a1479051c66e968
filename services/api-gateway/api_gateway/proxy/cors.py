"""CORS: lets pages of the frontend's own origin call the API (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from urllib.parse import urlsplit

from aiohttp import web

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, traceparent"
EXPOSED_HEADERS = "X-Request-Id, Retry-After, Location, Content-Disposition"
MAX_AGE = 600  # seconds that browsers keep the answer to a preflight request


class Cors:
    """Allows the frontend's origin and no other."""

    def __init__(self, frontend_url: str | None) -> None:
        parts = urlsplit(frontend_url or "")
        self._origin = f"{parts.scheme}://{parts.netloc}" if frontend_url else None
        self._headers = (
            f"Access-Control-Allow-Origin: {self._origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
            f"Access-Control-Expose-Headers: {EXPOSED_HEADERS}\r\nVary: Origin\r\n"
        ).encode()

    def headers(self, request: web.BaseRequest) -> bytes:
        """Header lines for a response to a request with an `Origin`."""
        return self._headers if request.headers["Origin"] == self._origin else b""

    def preflight(self, request: web.BaseRequest) -> web.Response | None:
        """The response to a preflight request; None for any other OPTIONS request."""
        if "Access-Control-Request-Method" not in request.headers:
            return None
        response = web.Response(status=204, headers={"Vary": "Origin"})
        if request.headers.get("Origin") == self._origin:
            response.headers["Access-Control-Allow-Methods"] = METHODS
            response.headers["Access-Control-Allow-Headers"] = HEADERS
            response.headers["Access-Control-Max-Age"] = str(MAX_AGE)
        return response
