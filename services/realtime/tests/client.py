"""Socket.IO clients that record what they receive."""

import asyncio
from typing import Any

import aiohttp
import socketio
from aiohttp import ClientWebSocketResponse, WSMsgType

EPHEMERAL = ("presence.changed", "typing", "viewing")
ReceivedEvent = tuple[str, dict[str, Any]]


class Client:
    """A Socket.IO client."""

    def __init__(self, **options: Any) -> None:
        self.socket = socketio.AsyncClient(reconnection=False, **options)
        self.received: list[ReceivedEvent] = []
        self.ephemeral: list[ReceivedEvent] = []
        """Presence and typing, which are not in the log."""
        self.ended: str | None = None
        self.socket.on("*", self._receive)
        self.socket.on("disconnect", self._end)

    async def _receive(self, name: str, payload: dict[str, Any]) -> None:
        (self.ephemeral if name in EPHEMERAL else self.received).append((name, payload))

    async def _end(self, reason: str) -> None:
        self.ended = reason

    @property
    def ready(self) -> dict[str, Any]:
        """The payload of `session.ready`."""
        return next(payload for name, payload in self.received if name == "session.ready")

    @property
    def resumed(self) -> list[bool]:
        """The field `resumed` of each `session.ready` so far."""
        return [payload["resumed"] for name, payload in self.received if name == "session.ready"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The payloads of all events of the log."""
        return [payload for name, payload in self.received if "event_id" in payload]

    @property
    def seqs(self) -> list[int]:
        """The numbers of all events that were made by `read_by`."""
        return [event["data"]["seq"] for event in self.events if "seq" in event["data"]]

    @property
    def last_event_id(self) -> str:
        """The cursor to resume from."""
        return str(self.events[-1]["event_id"] if self.events else self.ready["last_event_id"])


async def read_metric(url: str, name: str) -> float:
    """A metric of the instance with this URL."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


async def received_until_closed(socket: ClientWebSocketResponse) -> list[str]:
    """All messages of a raw WebSocket, up to its end."""
    received = []
    async with asyncio.timeout(30):
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            received.append(message.data)
    return received
