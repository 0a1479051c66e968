"""Asking another service over HTTP: whichever of its instances answers.

A service decides by its own copy of what others own. Where that copy would make it refuse somebody, it first asks
the owner, in the caller's name (`ServiceClient.find`): the event that tells of it may still be on its way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from switchboard.runtime.unavailable import Unavailable

ASK_SECONDS = 0.8  # of each instance; two of them take less than a transaction may idle


class Unanswered(Unavailable):
    """No instance of a service answers."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    body: bytes


class ServiceClient:
    """The instances of one service, begun with another one at each question. Made by `open_service_client`."""

    def __init__(self, service: str, urls: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._service = service
        self._urls = list(urls)
        self._session = session

    async def ask(
        self, method: str, path: str, *, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """The first answer below 500. Raises `Unanswered`."""
        self._urls.append(self._urls.pop(0))
        why = ""
        for url in tuple(self._urls):
            try:
                async with self._session.request(method, url + path, json=json, headers=headers) as answer:
                    if answer.status < 500:
                        return Answered(answer.status, await answer.read())
                    why = f"{url} answered {answer.status}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = f"{url}: {str(error) or type(error).__name__}"
        raise Unanswered(f"no instance of {self._service} answers ({why})")

    async def find(self, path: str, identity_header: Mapping[str, str]) -> bytes | None:
        """What the service says of something to a caller of ours (see `Request.identity_header`); None: it isn't there.

        Raises `Unanswered` when that can't be told.
        """
        answered = await self.ask("GET", path, headers=identity_header)
        if answered.status == 404:
            return None
        if answered.status != 200:
            raise Unanswered(f"{self._service} answered {answered.status}")
        return answered.body


@asynccontextmanager
async def open_service_client(
    service: str, urls: Sequence[str], *, within: float = ASK_SECONDS
) -> AsyncIterator[ServiceClient]:
    """With an HTTP session of its own. Waits for nobody. `within`: seconds that one instance may take to answer."""
    timeout = aiohttp.ClientTimeout(total=within)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        yield ServiceClient(service, urls, session)
