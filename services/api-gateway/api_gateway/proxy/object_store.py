"""Presigned S3 requests under `/s3/`, for clients that can't reach S3 themselves.

The local stack needs this: browsers can't reach its S3 server, which speaks no CORS. S3 itself checks each signature,
which was made for its own host name and for the path without the prefix.
"""

from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.request import ProxyRequest
from api_gateway.proxy.routes import AMBIGUOUS_PATH, Target
from api_gateway.proxy.upstream_response import UpstreamResponse
from switchboard.http.problems import NoSuchRoute

PREFIX = "/s3/"
METHODS = frozenset({"GET", "HEAD", "PUT"})
SIGNATURE = "X-Amz-Signature="


class ObjectStoreProxy:
    """Forwards presigned requests to the upstream `store`, and no others."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._upstream = proxy.upstreams.get("store")
        host = self._upstream.urls[0].netloc.encode() if self._upstream else None
        self._target = Target("store", max_body=proxy.max_upload_bytes, accepts_keys=False, host=host)

    async def handle(self, incoming: ProxyRequest) -> UpstreamResponse:
        """Forward a presigned request. Raises a `Refusal`."""
        query = incoming.target.partition("?")[2]
        allowed = incoming.request.method in METHODS and SIGNATURE in query
        if self._upstream is None or not allowed or AMBIGUOUS_PATH.search(incoming.path):
            raise NoSuchRoute
        incoming.route = self._target.service
        incoming.target = incoming.target.removeprefix(PREFIX.rstrip("/"))
        self._proxy.limits.address.count(incoming.limit_key)
        return await self._proxy.forward(incoming, self._upstream, self._target)
