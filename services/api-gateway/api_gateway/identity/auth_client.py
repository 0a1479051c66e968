"""What the gateway asks auth itself."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from api_gateway.upstreams.dispatch import Outgoing, fly
from api_gateway.upstreams.exchanges import Lost
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.refusals import ServiceUnavailable
from switchboard.runtime.unavailable import Unavailable

ASK_SECONDS = 5.0  # shorter than the marks in the session cache live


class AuthUnavailable(Unavailable):
    """Nobody can say whose session this is."""


class AuthClient:
    """Asks any instance of auth."""

    def __init__(self, auth: Upstream) -> None:
        self._auth = auth

    async def resolve(self, token: str) -> dict[str, Any] | None:
        """The live session with this token, None if there is none. Raises `AuthUnavailable`."""
        status, body = await self._ask(orjson.dumps({"token": token}))
        if status == 200:
            session: dict[str, Any] = orjson.loads(body)
            return session
        if 400 <= status < 500:
            return None
        raise AuthUnavailable(f"auth answered {status}")

    async def _ask(self, body: bytes) -> tuple[int, bytes]:
        asked = Outgoing(
            line=b"POST /internal/sessions/resolve HTTP/1.1\r\n",
            headers=b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body),
            body=body,
            repeatable=True,
        )
        try:
            async with asyncio.timeout(ASK_SECONDS):
                flight = await fly(self._auth, asked)
                try:
                    return flight.exchange.status, await flight.exchange.whole()
                finally:
                    flight.land()
        except (ServiceUnavailable, Lost, TimeoutError) as trouble:
            raise AuthUnavailable(f"auth is away: {str(trouble) or 'no answer in time'}") from trouble
