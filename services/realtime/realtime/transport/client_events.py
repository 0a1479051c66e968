"""What clients say to us: a table from event names to functions. Each is answered by an acknowledgement.

Answers are `{"ok": true, ...}` or `{"error": <code>}`. Who talks follows from the session alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from pydantic import ValidationError

from realtime.fanout.rooms import Member
from realtime.presence.presence import Presence, PresenceSet, Typing
from switchboard.runtime.unavailable import Unavailable

Talk = Callable[[Member, Any], Awaitable[dict[str, Any]]]

PER_SECOND = 20
AT_ONCE = 40


class Talking:
    """Answers to clients, within a rate for each socket."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self.table: dict[str, Talk] = {
            "presence.set": self._set_presence,
            "presence.list": self._list_presence,
            "typing": self._type,
        }

    async def answer(self, name: str, member: Member | None, said: Any) -> dict[str, Any]:
        """The acknowledgement."""
        if member is None:
            return {"error": "unauthenticated"}
        if not _may_talk(member):
            return {"error": "too_many_requests"}
        talk = self.table.get(name)
        if talk is None:
            return {"error": "unknown_event"}
        try:
            return {"ok": True, **await talk(member, said)}
        except ValidationError:
            return {"error": "invalid"}
        except Unavailable:
            return {"error": "unavailable"}

    async def _set_presence(self, member: Member, said: Any) -> dict[str, Any]:
        await self._presence.set_state(member, PresenceSet.model_validate(said))
        return {}

    async def _list_presence(self, member: Member, _said: Any) -> dict[str, Any]:
        return {"users": await self._presence.list_users(member.tenant_id)}

    async def _type(self, member: Member, said: Any) -> dict[str, Any]:
        await self._presence.type(member, Typing.model_validate(said))
        return {}


def _may_talk(member: Member) -> bool:
    """A bucket of tokens for each socket."""
    now = monotonic()
    member.tokens = min(AT_ONCE, member.tokens + (now - member.talked_at) * PER_SECOND)
    member.talked_at = now
    if member.tokens < 1:
        return False
    member.tokens -= 1
    return True
