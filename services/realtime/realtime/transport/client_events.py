"""Client events: a table from event names to functions. Each event is answered by an acknowledgement.

Answers are `{"ok": true, ...}` or `{"error": <code>}`. The sender follows from its session alone.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError

from realtime.fanout.rooms import RoomMember
from realtime.presence import Presence
from realtime.presence.presence import PresenceSet, Typing, Viewing
from switchboard.runtime.unavailable import Unavailable

ClientEventHandler = Callable[[RoomMember, Any], Awaitable[dict[str, Any]]]


class ClientEvents:
    """Handles the events that clients send, within a rate limit for each socket."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self.handlers: dict[str, ClientEventHandler] = {
            "presence.set": self._set_presence,
            "presence.list": self._list_presence,
            "typing": self._typing,
            "viewing": self._viewing,
        }

    async def handle(self, name: str, member: RoomMember | None, payload: Any) -> dict[str, Any]:
        if member is None:
            return {"error": "unauthenticated"}
        if not member.rate_limit.take():
            return {"error": "too_many_requests"}
        handler = self.handlers.get(name)
        if handler is None:
            return {"error": "unknown_event"}
        try:
            return {"ok": True, **await handler(member, payload)}
        except ValidationError:
            return {"error": "invalid"}
        except Unavailable:
            return {"error": "unavailable"}

    async def _set_presence(self, member: RoomMember, payload: Any) -> dict[str, Any]:
        await self._presence.set_status(member, PresenceSet.model_validate(payload))
        return {}

    async def _list_presence(self, member: RoomMember, _payload: Any) -> dict[str, Any]:
        return {"users": await self._presence.list_users(member.tenant_id)}

    async def _typing(self, member: RoomMember, payload: Any) -> dict[str, Any]:
        await self._presence.broadcast_typing(member, Typing.model_validate(payload))
        return {}

    async def _viewing(self, member: RoomMember, payload: Any) -> dict[str, Any]:
        await self._presence.broadcast_viewing(member, Viewing.model_validate(payload))
        return {}
