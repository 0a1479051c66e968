"""Forwards API requests: route, rate limits, authentication, dispatch to an instance, and the bodies both ways."""

import asyncio
from collections.abc import Mapping

from api_gateway.identity.authentication import Authentication
from api_gateway.proxy.bodies import BodyTooLarge, read_body, stream_body
from api_gateway.proxy.rate_limits import EdgeRateLimits
from api_gateway.proxy.request import ProxyRequest
from api_gateway.proxy.routes import (
    SAFE_METHODS,
    RouteTable,
    Target,
    allowed_after_trial,
    allowed_while_suspended,
    is_public,
    is_retryable,
)
from api_gateway.proxy.upstream_response import UpstreamResponse
from api_gateway.upstreams.dispatch import OutgoingRequest, UpstreamLost, UpstreamRequest, dispatch, send
from api_gateway.upstreams.exchanges import ConnectionLost
from api_gateway.upstreams.upstreams import Upstream
from switchboard.http.problems import NoSuchRoute
from switchboard.runtime.refusals import Forbidden, Refusal, Unauthenticated

MAX_BUFFERED_BODY = 64 * 1024  # bytes; a body up to this size is read first and sent together with the head
METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class TrialExpired(Refusal):
    """The trial has expired: reading still works, changes do not."""

    code = "trial_expired"
    status = 402


class TenantSuspended(Forbidden):
    """The operator of this installation has suspended the tenant: ask them. Nothing is deleted."""

    code = "tenant_suspended"


class Proxy:
    """Forwards requests under `/api/v1` to services."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        authentication: Authentication,
        limits: EdgeRateLimits,
        max_upload_bytes: int,
    ) -> None:
        self.upstreams = upstreams
        self.authentication = authentication
        self.limits = limits
        self.max_upload_bytes = max_upload_bytes
        self._routes = RouteTable(max_upload_bytes)

    async def handle(self, incoming: ProxyRequest) -> UpstreamResponse:
        """The response of the service that the path belongs to. Raises a `Refusal`."""
        method = incoming.request.method
        target = self._routes.find(incoming.path)
        if target is None:
            raise NoSuchRoute
        incoming.route = target.service
        self.limits.address.count(incoming.limit_key)
        _, resolved = await self.authentication.resolve(incoming.request, requires_origin=method not in SAFE_METHODS)
        if resolved is not None:
            incoming.resolved = resolved
            self.limits.user.count(resolved.session.user_id)
            if resolved.suspended and not allowed_while_suspended(method, incoming.path):
                raise TenantSuspended
            if resolved.trial_expired and not allowed_after_trial(method, incoming.path):
                raise TrialExpired
        return await self.forward(incoming, self.upstreams[target.service], target)

    async def forward(self, incoming: ProxyRequest, upstream: Upstream, target: Target) -> UpstreamResponse:
        """Send a request that was allowed to an upstream. Raises a `Refusal`."""
        length = incoming.request.content_length
        if length is not None and length > target.max_body:
            raise BodyTooLarge
        expects = incoming.request.headers.get("Expect", "").lower() == "100-continue"
        if expects and incoming.resolved is None and not is_public(incoming.path):
            raise Unauthenticated  # before the client sends a body that nobody would take
        outgoing = await self._outgoing(incoming, target)
        if outgoing.body is not None:
            return UpstreamResponse(incoming, await dispatch(upstream, outgoing))
        return await self._stream(incoming, upstream, outgoing, target.max_body)

    def upstream_headers(self, incoming: ProxyRequest, audience: str) -> list[bytes]:
        """Header lines for a service, with the signed identity of the request's session."""
        lines = incoming.upstream_headers()
        if incoming.resolved is not None:
            lines.append(self.authentication.identity_header(incoming.resolved.session, audience))
        return lines

    async def _outgoing(self, incoming: ProxyRequest, target: Target) -> OutgoingRequest:
        request = incoming.request
        lines = self.upstream_headers(incoming, target.service)
        if target.gets_cookies and (cookies := request.headers.get("Cookie")):
            lines.append(self.authentication.credentials.without_session(cookies))
        body: bytes | None = b""
        length = request.content_length
        if request.body_exists:
            if length is not None and length <= MAX_BUFFERED_BODY and "Expect" not in request.headers:
                body = await read_body(request)
                lines.append(b"Content-Length: %d\r\n" % len(body))
            else:
                body = None
                framing = b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
                lines.append(framing)
        elif request.method in METHODS_WITH_BODY:
            lines.append(b"Content-Length: 0\r\n")
        lines.append(b"\r\n")
        return OutgoingRequest(
            line=incoming.request_line(),
            headers=b"".join(lines),
            body=body,
            retryable=is_retryable(request.method, target, "Idempotency-Key" in request.headers),
            expects_body=request.method != "HEAD",
            timeout=target.timeout,
            host=target.host,
        )

    async def _stream(
        self, incoming: ProxyRequest, upstream: Upstream, outgoing: OutgoingRequest, max_body: int
    ) -> UpstreamResponse:
        """Stream a large body to one instance, without retries. The response may come before the body's end."""
        sent = await send(upstream, outgoing, set())
        streaming = asyncio.create_task(stream_body(incoming.request, sent.connection, max_body))
        try:
            await asyncio.wait({streaming, sent.exchange.head}, return_when=asyncio.FIRST_COMPLETED)
            early = sent.exchange.head.done() and not streaming.done()
            if not early:
                await _finish_body(streaming, sent)
            await sent.wait_for_head(outgoing.timeout)
        except ConnectionLost as error:
            sent.release()
            upstream.probe_now.set()
            raise UpstreamLost from error
        except BaseException:
            sent.release()
            raise
        finally:
            if not streaming.done():
                streaming.cancel()
                await asyncio.wait({streaming})
        return UpstreamResponse(incoming, sent, close=early)


async def _finish_body(streaming: asyncio.Task[None], sent: UpstreamRequest) -> None:
    """Raise the reason why the body couldn't be sent, unless the upstream's response says it."""
    try:
        await streaming
    except ConnectionLost:
        head = sent.exchange.head
        if not (head.done() and head.exception() is None):
            raise
