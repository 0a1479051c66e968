"""Client of auth: resolves a session token at any instance of auth."""

import asyncio
from typing import Any

import orjson

from api_gateway.upstreams.dispatch import OutgoingRequest, dispatch
from api_gateway.upstreams.exchanges import ConnectionLost
from api_gateway.upstreams.upstreams import Upstream
from switchboard.runtime.refusals import ServiceUnavailable
from switchboard.runtime.unavailable import Unavailable

RESOLVE_SECONDS = 5.0  # shorter than the lifetime of invalidation marks in the session cache


class AuthUnavailable(Unavailable):
    """Sessions can't be checked: auth is unavailable."""


class AuthClient:
    """Asks auth about sessions."""

    def __init__(self, auth: Upstream) -> None:
        self._auth = auth

    async def resolve(self, token: str) -> dict[str, Any] | None:
        """The live session with this token, None if there is none. Raises `AuthUnavailable`."""
        body = orjson.dumps({"token": token})
        request = OutgoingRequest(
            line=b"POST /internal/sessions/resolve HTTP/1.1\r\n",
            headers=b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body),
            body=body,
            retryable=True,
        )
        try:
            status, answer = await self._post(request)
        except (ServiceUnavailable, ConnectionLost, TimeoutError) as error:
            raise AuthUnavailable(f"auth is unavailable: {str(error) or 'no response in time'}") from error
        if status == 200:
            session: dict[str, Any] = orjson.loads(answer)
            return session
        if 400 <= status < 500:
            return None
        raise AuthUnavailable(f"auth answered {status}")

    async def _post(self, request: OutgoingRequest) -> tuple[int, bytes]:
        async with asyncio.timeout(RESOLVE_SECONDS):
            sent = await dispatch(self._auth, request)
            try:
                return sent.exchange.status, await sent.exchange.read_all()
            finally:
                sent.release()
