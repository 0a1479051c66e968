"""What a request says about who sends it: its token, its origin, its address."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web

from api_gateway.upstreams.headers import cookie
from switchboard.runtime.refusals import Forbidden
from switchboard.runtime.settings import is_loopback

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class CrossOrigin(Forbidden):
    """A request with the session's cookie must come from this site: its Origin is missing or another's."""

    code = "cross_origin"


class Credentials:
    """Finds the token: a Bearer, else the cookie, which alone is bound to our own pages by its Origin."""

    def __init__(self, public_url: str, frontend_url: str | None) -> None:
        self.cookie_name = "__Host-session" if public_url.startswith("https:") else "session"
        self.origins = frozenset(_origin(url) for url in (public_url, frontend_url) if url)
        self._at_home = is_loopback(urlsplit(public_url).hostname or "")

    def find(self, request: web.BaseRequest) -> tuple[str | None, bool]:
        """The token, if there is one, and whether it came as a cookie."""
        headers = request.headers
        authorization = headers.get("Authorization")
        if authorization is not None and authorization[:7].lower() == "bearer ":
            return _possible(authorization[7:].strip()), False
        cookies = headers.get("Cookie")
        if cookies is None:
            return None, False
        return _possible(cookie(cookies, self.cookie_name)), True

    def check_origin(self, request: web.BaseRequest) -> None:
        """Raises `CrossOrigin` unless the request says that it comes from one of our own pages."""
        origin = request.headers.get("Origin")
        if origin is None:
            # Browsers leave the Origin out of a page's reads of its own site, and say so here.
            if request.headers.get("Sec-Fetch-Site") == "same-origin":
                return
        elif origin in self.origins or (self._at_home and _is_own(origin, request.headers.get("Host", ""))):
            return
        raise CrossOrigin()


class Addresses:
    """Whose address a request came from, behind proxies that are trusted to say it."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted)

    def client(self, request: web.BaseRequest) -> str:
        """The nearest address that is not one of the trusted proxies."""
        peer = request.remote or "unknown"
        if not self._trusted:
            return peer
        hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
        for hop in [peer, *reversed(hops)]:
            if not self._is_trusted(hop):
                return hop or peer
        return peer

    def scheme(self, request: web.BaseRequest, own: str) -> str:
        """How the client reached us, as a trusted proxy saw it, else `own`."""
        if self._trusted and self._is_trusted(request.remote or ""):
            return request.headers.get("X-Forwarded-Proto", own)
        return own

    def _is_trusted(self, hop: str) -> bool:
        try:
            address = ipaddress.ip_address(hop)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _possible(token: str | None) -> str | None:
    """Ours are ASCII; any other is nobody's."""
    return token if token and token.isascii() else None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_own(origin: str, host: str) -> bool:
    """A page of the very host and port that it asks: on a machine of one's own it is `localhost` and 127.0.0.1."""
    return bool(host) and is_loopback(urlsplit(f"//{host}").hostname or "") and origin == f"http://{host}"
