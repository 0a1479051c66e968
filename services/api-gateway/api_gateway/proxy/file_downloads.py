"""Where there is no public S3: what clients put into the store and get from it by signed URLs, under `/s3/`.

For the local stack, whose store a browser can't reach, or mayn't (it speaks no CORS). The store itself checks each
signature: it was made for its own host, and for the path without the prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from api_gateway.proxy.handler import Proxy
from api_gateway.proxy.request import Incoming
from api_gateway.proxy.routes import TWISTED, Target
from api_gateway.proxy.upstream_response import Relayed
from api_gateway.upstreams.upstreams import Upstream
from switchboard.http.problems import NoSuchRoute

PREFIX = "/s3/"
METHODS = frozenset({"GET", "HEAD", "PUT"})
SIGNED = "X-Amz-Signature="


@dataclass(frozen=True)
class StorePassage:
    """Passes signed requests on to the store, and nothing else."""

    proxy: Proxy
    upstream: Upstream
    target: Target

    async def pass_on(self, incoming: Incoming) -> Relayed:
        """The store's answer. Raises a `Refusal`."""
        query = incoming.target.partition("?")[2]
        if incoming.request.method not in METHODS or SIGNED not in query or TWISTED.search(incoming.path):
            raise NoSuchRoute
        incoming.route = self.target.service
        incoming.target = incoming.target.removeprefix(PREFIX.rstrip("/"))
        self.proxy.limits.count("address", incoming.address)
        return await self.proxy.send(incoming, self.upstream, self.target, None)


def store_passage(proxy: Proxy, endpoint: str, max_upload_bytes: int) -> StorePassage:
    """To the store at `endpoint`, for objects as large as files takes them."""
    target = Target("store", most=max_upload_bytes, keyed=False, host=urlsplit(endpoint).netloc.encode())
    return StorePassage(proxy, Upstream("store", (endpoint,)), target)
