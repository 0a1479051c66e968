"""Authentication at the edge: the session token, CSRF protection by Origin, the signed identity for services."""

from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from aiohttp import web
from redis.asyncio import Redis

from api_gateway.identity.auth_client import AuthClient
from api_gateway.identity.hosts import OwnHosts
from api_gateway.identity.session_resolver import CachedSession, ResolvedSession, SessionResolver
from api_gateway.identity.signing_keys import SigningKeyFile
from api_gateway.upstreams.upstreams import Upstream
from switchboard.http.identity import IDENTITY_HEADER
from switchboard.runtime.refusals import Forbidden

SIGNED_SECONDS = 5.0  # reuse of a signed identity; the signer returns none that is valid for less than 15 s


class CrossOrigin(Forbidden):
    """Another site's page sent the session's cookie: send its token as a Bearer, or the request from this site."""

    code = "cross_origin"


class Credentials:
    """Finds a request's session token: a Bearer token, else the session cookie. The cookie requires our own Origin."""

    def __init__(self, public_url: str, frontend_url: str | None) -> None:
        self._cookie_name = "__Host-session" if public_url.startswith("https:") else "session"
        self._origins = frozenset(_origin(url) for url in (public_url, frontend_url) if url)
        self._hosts = OwnHosts(public_url)

    def find(self, request: web.BaseRequest) -> tuple[str | None, bool]:
        """The token, if there is one, and whether it came as a cookie."""
        headers = request.headers
        authorization = headers.get("Authorization")
        if authorization is not None and authorization[:7].lower() == "bearer ":
            return _ascii(authorization[7:].strip()), False
        cookies = headers.get("Cookie")
        if cookies is None:
            return None, False
        for part in cookies.split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie_name:
                return _ascii(value.strip('"')), True
        return None, True

    def check_origin(self, request: web.BaseRequest) -> None:
        """Raises `CrossOrigin` if the request comes from a page of another site.

        A request with neither `Origin` nor `Sec-Fetch-Site` is not a browser's (OWASP, CSRF prevention cheat sheet).
        """
        origin = request.headers.get("Origin")
        if origin is None:
            # Browsers send no Origin with same-origin reads, and the other header instead.
            if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
                return
        elif origin in self._origins or self._hosts.includes_origin(origin, request.headers.get("Host", "")):
            return
        raise CrossOrigin()

    def without_session(self, cookies: str) -> bytes:
        """A `Cookie` header line without the session's cookie; empty when no other is left."""
        parts = [part.strip() for part in cookies.split(";")]
        kept = [part for part in parts if part and part.partition("=")[0] != self._cookie_name]
        return f"Cookie: {'; '.join(kept)}\r\n".encode("latin-1", "replace") if kept else b""


class Authentication:
    """Finds the session of a request, and signs the session's identity for services."""

    def __init__(self, redis: Redis, auth: Upstream, key_file: Path, public_url: str, frontend_url: str | None) -> None:
        """Raises OSError or ValueError for a key file without a usable key."""
        self.credentials = Credentials(public_url, frontend_url)
        self._sessions = SessionResolver(redis, AuthClient(auth).resolve)
        self._keys = SigningKeyFile(key_file)
        self.run = self._keys.run

    async def resolve(
        self, request: web.BaseRequest, *, requires_origin: bool
    ) -> tuple[str | None, ResolvedSession | None]:
        """The request's token and its session, if there are any.

        `requires_origin`: raise `CrossOrigin` for a token in a cookie that another site sends. Raises `Unavailable`.
        """
        token, is_cookie = self.credentials.find(request)
        if token is None:
            return None, None
        if is_cookie and requires_origin:
            self.credentials.check_origin(request)
        return token, await self._sessions.find(token)

    def identity_header(self, session: CachedSession, audience: str) -> bytes:
        line, valid_until = session.signed.get(audience, (b"", 0.0))
        now = monotonic()
        if now >= valid_until:
            signed = self._keys.signer.sign(session.identity, audience, version=session.version)
            line = f"{IDENTITY_HEADER}: {signed}\r\n".encode()
            session.signed[audience] = line, now + SIGNED_SECONDS
        return line


def _ascii(token: str | None) -> str | None:
    """The token if it can be one: tokens are ASCII."""
    return token if token and token.isascii() else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
