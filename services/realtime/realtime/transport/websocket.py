"""The WebSocket transport of Engine.IO, in place of python-engineio's adapter to aiohttp."""

from typing import Any

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from realtime.transport.engine_socket import CLOSE_SECONDS, EngineSocket
from realtime.transport.packets import MalformedPacket, check_frame

# The second byte of a frame (RFC 6455, 5.2).
MASKED, LENGTH = 0x80, 0x7F
EXTENDED = {126: 2, 127: 8}  # bytes that hold the length instead
MASK_BYTES = 4


class MaskCheck:
    """Reads the headers of a client's frames before aiohttp does, which takes frames without a mask.

    RFC 6455, 5.1: a server must close the connection then, with 1002.
    """

    def __init__(self, reader: Any, messages: Any) -> None:
        self._reader = reader
        self._messages = messages
        self._header = bytearray()
        self._payload = 0  # bytes of the current frame that have not arrived

    def feed_eof(self) -> None:
        self._reader.feed_eof()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As the reader's: whether the connection ends, and what was left over."""
        if self._is_masked(data):
            done: tuple[bool, bytes] = self._reader.feed_data(data)
            return done
        error = WebSocketError(WSCloseCode.PROTOCOL_ERROR, "a client's frames must be masked")
        self._messages.set_exception(error)
        return True, b""

    def _is_masked(self, data: bytes) -> bool:
        """Whether all frames whose header is complete have a mask."""
        at = 0
        while at < len(data):
            if self._payload:
                skipped = min(self._payload, len(data) - at)
                self._payload -= skipped
                at += skipped
                continue
            self._header.append(data[at])
            at += 1
            if len(self._header) == 2 and not self._header[1] & MASKED:
                return False
            if len(self._header) >= 2 and len(self._header) == 2 + EXTENDED.get(self._header[1] & LENGTH, 0):
                length = self._header[1] & LENGTH
                if length in EXTENDED:
                    length = int.from_bytes(self._header[2:], "big")
                self._payload = length + MASK_BYTES
                self._header.clear()
        return True


class MaskedWebSocketResponse(web.WebSocketResponse):
    """A WebSocket whose frames are checked from the first on, also one that arrived with the handshake."""

    def _post_start(self, request: web.BaseRequest, *started: Any) -> None:
        protocol: Any = request.protocol
        early, protocol._message_tail = protocol._message_tail, b""
        super()._post_start(request, *started)
        protocol._payload_parser = MaskCheck(protocol._payload_parser, self._reader)
        if early:
            protocol.data_received(early)


class WebSocketTransport:
    """One WebSocket. Without compression, which would cost 300 KB a connection."""

    def __init__(self, handler: Any, server: Any) -> None:
        self._handler = handler
        self._socket: EngineSocket = handler.__self__
        self._response = MaskedWebSocketResponse(
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
