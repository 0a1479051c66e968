"""An HTTP client for another service, with failover between its instances.

A service decides by its own replica of other services' data. Before it refuses a request because the replica lacks a
row, it asks the owner on behalf of the caller (`ServiceClient.find`), as the event may not have arrived yet.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from switchboard.runtime.unavailable import Unavailable

REQUEST_SECONDS = 0.8  # timeout of each instance; two of them stay below the idle limit of a transaction


class ServiceUnreachable(Unavailable):
    """No instance of a service answers."""


@dataclass(frozen=True, slots=True)
class ServiceResponse:
    status: int
    body: bytes


class ServiceClient:
    """Calls the instances of one service in turn. Made by `open_service_client`."""

    def __init__(self, service: str, urls: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._service = service
        self._urls = list(urls)
        self._session = session

    async def request(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> ServiceResponse:
        """The first response with a status below 500. Raises `ServiceUnreachable`."""
        self._urls.append(self._urls.pop(0))
        reason = ""
        for url in tuple(self._urls):
            try:
                async with self._session.request(method, url + path, json=json, headers=headers) as answer:
                    if answer.status < 500:
                        return ServiceResponse(answer.status, await answer.read())
                    reason = f"{url} answered {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = f"{url}: {str(error) or type(error).__name__}"
        raise ServiceUnreachable(f"no instance of {self._service} answers ({reason})")

    async def find(self, path: str, identity_header: Mapping[str, str]) -> bytes | None:
        """Fetch a resource on behalf of a caller (see `Request.identity_header`). None: it does not exist.

        Raises `ServiceUnreachable` for any other answer than 200 and 404.
        """
        response = await self.request("GET", path, headers=identity_header)
        if response.status == 404:
            return None
        if response.status != 200:
            raise ServiceUnreachable(f"{self._service} answered {response.status}")
        return response.body


@asynccontextmanager
async def open_service_client(
    service: str, urls: Sequence[str], *, within: float = REQUEST_SECONDS
) -> AsyncIterator[ServiceClient]:
    """Open a client with its own HTTP session. `within`: seconds that one instance may take to answer."""
    timeout = aiohttp.ClientTimeout(total=within)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        yield ServiceClient(service, urls, session)
