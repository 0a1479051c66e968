"""The WebSocket transport of Engine.IO, in place of python-engineio's adapter to aiohttp."""

from typing import Any

from aiohttp import WSMsgType, web

from realtime.transport.engine_socket import CLOSE_SECONDS, EngineSocket
from realtime.transport.packets import MalformedPacket, check_frame


class WebSocketTransport:
    """One WebSocket. Without compression, which would cost 300 KB a connection."""

    def __init__(self, handler: Any, server: Any) -> None:
        self._handler = handler
        self._socket: EngineSocket = handler.__self__
        self._response = web.WebSocketResponse(
            compress=False, max_msg_size=server.max_http_buffer_size, timeout=CLOSE_SECONDS
        )

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        if self._socket.request is not None:
            raise web.HTTPBadRequest  # one upgrade at a time
        self._socket.request = request
        try:
            await self._response.prepare(request)
            await self._handler(self)
        finally:
            self._socket.request = None
            if self._socket.upgraded:
                await self._socket.remove()
            else:
                self._socket.upgrading = False  # else the client, which polls on, would get empty answers only
        return self._response

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._response.send_bytes(message)
        else:
            await self._response.send_str(message)

    async def wait(self) -> str:
        """The next message. Raises OSError, which the library takes for the end of the connection."""
        message = await self._response.receive()
        if message.type is not WSMsgType.TEXT:
            raise OSError("the connection is closed, or the message is not text")
        try:
            return check_frame(message.data)
        except MalformedPacket as error:
            raise OSError(str(error)) from None

    async def close(self) -> None:
        await self._response.close()
