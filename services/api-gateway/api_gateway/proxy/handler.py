"""One API request through the gateway: who asks, may they, to whom does it go, and its bytes both ways."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from api_gateway.identity.credentials import Credentials
from api_gateway.identity.sessions import Cached, Sessions, Visitor
from api_gateway.identity.signing_keys import SigningKeyFile
from api_gateway.proxy.bodies import BodyTooLarge, send_body
from api_gateway.proxy.rate_limits import RateLimits
from api_gateway.proxy.request import Incoming
from api_gateway.proxy.routes import SAFE_METHODS, RouteTable, Target, may_repeat, works_after_trial
from api_gateway.proxy.upstream_response import Relayed
from api_gateway.upstreams.dispatch import Flight, Outgoing, UpstreamLost, fly, head_of, take_off
from api_gateway.upstreams.exchanges import Lost
from api_gateway.upstreams.headers import cookies_but, forwarded
from api_gateway.upstreams.upstreams import Upstream
from switchboard.http.identity import IDENTITY_HEADER
from switchboard.http.problems import NoSuchRoute
from switchboard.runtime.refusals import Refusal

HELD_BODY = 64 * 1024  # bytes; a body no longer than this is read first, and sent with the head in one write
BODY_SECONDS = 30.0
LINE_SECONDS = 5.0  # the signer hands out nothing that is valid for less than 15
TAKES_BODY = frozenset({"POST", "PUT", "PATCH"})


class TrialExpired(Refusal):
    """The trial is over: reading still works, changing does not."""

    code = "trial_expired"
    status = 402


@dataclass(frozen=True)
class Proxy:
    """Passes API requests on to services."""

    routes: RouteTable
    upstreams: dict[str, Upstream]
    credentials: Credentials
    sessions: Sessions
    keys: SigningKeyFile
    limits: RateLimits

    async def pass_on(self, incoming: Incoming) -> Relayed:
        """The answer of the service that the path belongs to. Raises a `Refusal`."""
        request = incoming.request
        target = self.routes.find(incoming.path)
        if target is None:
            raise NoSuchRoute
        incoming.route = target.service
        self.limits.count("address", incoming.address)
        visitor = await self.visitor(incoming)
        if visitor is not None and visitor.trial_over and not works_after_trial(request.method, incoming.path):
            raise TrialExpired
        return await self.send(incoming, self.upstreams[target.service], target, visitor)

    async def send(self, incoming: Incoming, upstream: Upstream, target: Target, visitor: Visitor | None) -> Relayed:
        """The answer to a request that may pass. Raises a `Refusal`."""
        length = incoming.request.content_length
        if length is not None and length > target.most:
            raise BodyTooLarge
        outgoing = await self._outgoing(incoming, target, visitor)
        if outgoing.body is not None:
            flight = await fly(upstream, outgoing)
            return Relayed(flight, incoming.ours(), incoming.done, close=incoming.is_last)
        return await self._stream(incoming, upstream, outgoing, target)

    async def visitor(self, incoming: Incoming) -> Visitor | None:
        """Who asks, if anybody known. Raises `CrossOrigin`."""
        request = incoming.request
        token, by_cookie = self.credentials.find(request)
        if token is None:
            return None
        if by_cookie and request.method not in SAFE_METHODS:
            self.credentials.check_origin(request)
        visitor = await self.sessions.find(token)
        incoming.visitor = visitor
        if visitor is not None:
            self.limits.count("user", visitor.session.user_id)
        return visitor

    def head_lines(self, incoming: Incoming, visitor: Visitor | None, audience: str) -> list[bytes]:
        """The client's own headers, and what we vouch for."""
        lines = forwarded(incoming.request.raw_headers)
        lines.append(incoming.vouched)
        if visitor is not None:
            lines.append(self._identity_line(visitor.session, audience))
        return lines

    def _identity_line(self, session: Cached, audience: str) -> bytes:
        line, until = session.signed.get(audience, (b"", 0.0))
        now = monotonic()
        if now >= until:
            signed = self.keys.signer.sign(session.identity, audience, version=session.version)
            line = f"{IDENTITY_HEADER}: {signed}\r\n".encode()
            session.signed[audience] = line, now + LINE_SECONDS
        return line

    async def _outgoing(self, incoming: Incoming, target: Target, visitor: Visitor | None) -> Outgoing:
        request = incoming.request
        method = request.method
        lines = self.head_lines(incoming, visitor, target.service)
        if target.cookies and (cookies := request.headers.get("Cookie")):
            lines.append(cookies_but(cookies, self.credentials.cookie_name))
        body: bytes | None = b""
        length = request.content_length
        if request.body_exists:
            if length is not None and length <= HELD_BODY and "Expect" not in request.headers:
                async with asyncio.timeout(BODY_SECONDS):
                    body = await request.read()
                lines.append(b"Content-Length: %d\r\n" % len(body))
            else:
                body = None
                lines.append(
                    b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
                )
        elif method in TAKES_BODY:
            lines.append(b"Content-Length: 0\r\n")
        lines.append(b"\r\n")
        return Outgoing(
            line=f"{method} {incoming.target} HTTP/1.1\r\n".encode("utf-8", "surrogateescape"),
            headers=b"".join(lines),
            body=body,
            repeatable=may_repeat(method, target, "Idempotency-Key" in request.headers),
            wants_body=method != "HEAD",
            answer_within=target.answer_within,
            host=target.host,
        )

    async def _stream(self, incoming: Incoming, upstream: Upstream, outgoing: Outgoing, target: Target) -> Relayed:
        """A body too large to hold: sent on as it comes, to one instance, once. The answer may come before its end."""
        flight = await take_off(upstream, outgoing, set())
        sending = asyncio.create_task(send_body(incoming.request, flight.connection, target.most))
        try:
            await asyncio.wait({sending, flight.exchange.head}, return_when=asyncio.FIRST_COMPLETED)
            early = flight.exchange.head.done() and not sending.done()
            if not early:
                await self._sent(sending, flight)
            await head_of(flight, outgoing.answer_within)
        except Lost as lost:
            flight.land()
            upstream.suspect()
            raise UpstreamLost from lost
        except BaseException:
            flight.land()
            raise
        finally:
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
        return Relayed(flight, incoming.ours(), incoming.done, close=early or incoming.is_last)

    async def _sent(self, sending: asyncio.Task[None], flight: Flight) -> None:
        """Raises why the body couldn't be sent, unless the upstream has said why itself."""
        try:
            await sending
        except Lost:
            if not (flight.exchange.head.done() and flight.exchange.head.exception() is None):
                raise
