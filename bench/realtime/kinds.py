"""The servers that `bench_realtime` measures: how to connect to them, and how to send events through them."""

import os
import signal
from collections.abc import Awaitable
from dataclasses import dataclass
from time import time
from typing import Any, Protocol
from uuid import UUID, uuid4

import aiohttp

from switchboard.contracts.auth import TenantUpdated
from switchboard.contracts.conversations import ConversationRead
from switchboard.http.identity import IDENTITY_HEADER, Identity, IdentitySigner, Role
from switchboard.http.identity_keys import new_key
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.messaging.outbox.rows import row_of

KEY = new_key("bench")


class Kind(Protocol):
    """A pair of servers under measurement."""

    name: str

    def clients(self, users: list[UUID]) -> list[tuple[str, dict[str, str]]]: ...

    async def to_all(self, count: int) -> None: ...

    async def to_each(self, users: list[UUID]) -> None: ...

    async def burst(self, sending: Awaitable[None]) -> float:
        """Await `sending`, and return the time at which the servers could begin to deliver."""


def now() -> str:
    return f"t{time():.6f}"


@dataclass
class Switchboard:
    """Two instances of realtime, fed through RabbitMQ."""

    urls: list[str]
    channel: ConfirmChannel
    tenant: UUID
    pids: list[int]
    name: str = "switchboard"

    async def burst(self, sending: Awaitable[None]) -> float:
        """Stop the servers while sending, so that the whole burst waits in RabbitMQ."""
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await sending
        finally:
            for pid in self.pids:
                os.kill(pid, signal.SIGCONT)
        return time()

    def clients(self, users: list[UUID]) -> list[tuple[str, dict[str, str]]]:
        signer = IdentitySigner(KEY)
        identities = [Identity(user, self.tenant, Role.AGENT, user) for user in users]
        return [(self.urls[n % 2], {IDENTITY_HEADER: signer.sign(i, "realtime")}) for n, i in enumerate(identities)]

    async def to_all(self, count: int) -> None:
        await self._publish(
            lambda: TenantUpdated(tenant_id=uuid4(), name=now(), status="active", trial_ends_at=None), count
        )

    async def to_each(self, users: list[UUID]) -> None:
        waiting = iter(users)
        await self._publish(lambda: ConversationRead(user_id=next(waiting), contact_phone=now(), seq=1), len(users))

    async def _publish(self, event: Any, count: int) -> None:
        for start in range(0, count, 200):
            rows = [
                row_of(event(), source="conversations", tenant_id=self.tenant) for _ in range(min(200, count - start))
            ]
            await self.channel.publish_all([Publication(r.exchange, r.routing_key, r.body, r.type) for r in rows])


@dataclass
class PlainServers:
    """Two Socket.IO servers with a Redis adapter."""

    urls: list[str]
    name: str

    async def burst(self, sending: Awaitable[None]) -> float:
        began = time()
        await sending
        return began

    def clients(self, users: list[UUID]) -> list[tuple[str, dict[str, str]]]:
        return [(f"{self.urls[n % 2]}/?room={user}", {}) for n, user in enumerate(users)]

    async def to_all(self, count: int) -> None:
        await self._emit([("all", _payload()) for _ in range(count)])

    async def to_each(self, users: list[UUID]) -> None:
        await self._emit([(str(user), _payload()) for user in users])

    async def _emit(self, emits: list[tuple[str, dict[str, Any]]]) -> None:
        async with aiohttp.ClientSession() as http, http.post(f"{self.urls[0]}/emit", json=emits) as answer:
            answer.raise_for_status()


def _payload() -> dict[str, Any]:
    """Return a payload as long as Switchboard's."""
    ids = {"tenant_id": str(uuid4()), "name": now(), "status": "active", "trial_ends_at": None}
    return {"id": str(uuid4()), "event_id": "x" * 28, "time": "2026-01-01T00:00:00.000000Z", "data": ids}
