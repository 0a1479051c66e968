"""The load of a fault run: users write, upload, plan and listen, and record each attempt in ledgers."""

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from switchboard.client import LiveClient, LiveEvent
from tests.e2e.client import Refused, User
from tests.e2e.times import in_seconds

from .ledger import KINDS, Ledger

PHONES = tuple(f"+1415555010{n}" for n in range(6))
CAMPAIGN_PHONES = 40


@dataclass
class Pace:
    """Backoff of all users: they wait longer while requests fail, so that a busy machine is not overloaded."""

    factor: float = 1.0

    def slower(self) -> None:
        self.factor = min(self.factor * 1.2, 20.0)

    def faster(self) -> None:
        self.factor = max(self.factor * 0.7, 1.0)


@dataclass
class Worker:
    """One user with their ledgers and the events that they received."""

    user: User
    random: random.Random
    pace: Pace
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {kind: Ledger() for kind in KINDS})
    received: Counter[str] = field(default_factory=Counter)  # message -> how often, since the last reload
    duplicates: list[str] = field(default_factory=list)
    unrecognised: list[str] = field(default_factory=list)
    reloads: int = 0
    id: str = ""

    async def work(self, ending: asyncio.Event) -> None:
        """Run until stopped; then finish the work in progress."""
        me = await self.user.insist("PATCH", "/auth/me", {"notify_phone": "+14155550199"})
        self.id = me.body["user"]["id"]
        routines: list[tuple[Callable[[str], Coroutine[Any, Any, None]], float]] = [
            (self._write, 0.4),
            (self._write, 0.4),
            (self._upload, 1.0),
            (self._remind, 0.8),
            (self._call, 2.5),
            (self._campaign, 10.0),
        ]
        await asyncio.gather(*(self._again(routine, pause, ending) for routine, pause in routines))

    async def _again(
        self, routine: Callable[[str], Coroutine[Any, Any, None]], pause: float, ending: asyncio.Event
    ) -> None:
        while not ending.is_set():
            with contextlib.suppress(Refused):  # the planned time passed during an outage
                await routine(uuid4().hex[:12])
            try:
                await asyncio.wait_for(ending.wait(), pause * self.pace.factor * self.random.uniform(0.5, 1.5))
            except TimeoutError:
                continue

    async def _write(self, name: str) -> None:
        self.ledgers["messages"].attempt(name)
        self.ledgers["socket events"].attempt(name)
        await self.user.say(self.random.choice(PHONES), name)
        self.ledgers["messages"].acknowledge(name)
        self.ledgers["socket events"].acknowledge(name)

    async def _upload(self, name: str) -> None:
        """Upload once, without a retry, like a client that can't read its file again."""
        content = name.encode() * self.random.choice((1, 100, 50_000))
        self.ledgers["files"].attempt(named := f"{name} {hashlib.sha256(content).hexdigest()}")
        try:
            await self.user.upload(name, content)
        except (aiohttp.ClientError, TimeoutError, AssertionError):
            return
        self.ledgers["files"].acknowledge(named)

    async def _remind(self, name: str) -> None:
        due = in_seconds(self.random.uniform(1, 6))
        self.ledgers["reminders"].attempt(name)
        await self.user.make("/reminders", {"lead_id": name, "note": "", "remind_at": due})
        self.ledgers["reminders"].acknowledge(name)

    async def _call(self, name: str) -> None:
        self.ledgers["calls"].attempt(name)
        body = {"contact_phone": PHONES[0], "scheduled_at": in_seconds(self.random.uniform(1, 4)), "note": name}
        await self.user.make("/calls", body)
        self.ledgers["calls"].acknowledge(name)

    async def _campaign(self, name: str) -> None:
        phones = [f"+1415555{self.random.randrange(2000, 9000):04}" for _ in range(CAMPAIGN_PHONES)]
        phones = sorted({phone for phone in phones if not phone.endswith("0000")})
        for phone in phones:
            self.ledgers["campaign deliveries"].attempt(f"{name} {phone}")
        audience = {"name": name, "template": name + " {{phone}}", "audience": {"phones": phones}}
        await self.user.make("/campaigns", {**audience, "send_at": in_seconds(1)})
        for phone in phones:
            self.ledgers["campaign deliveries"].acknowledge(f"{name} {phone}")

    async def hear(self, event: LiveEvent) -> None:
        if event.type != "conversation.message_appended":
            return
        name = event.data["message"]["body"]
        if name in self.ledgers["socket events"].attempted:
            self.received[name] += 1
        else:
            self.unrecognised.append(name)  # a campaign's message or an unexpected one: the audit decides

    async def reload(self) -> None:
        """Load the conversations again, as a client does that may have missed events."""
        self.reloads += 1
        self.duplicates += [name for name, count in self.received.items() if count > 1]
        texts = await self._texts_with_retries()
        # An event of a loaded message may still arrive, once.
        self.received = Counter(dict.fromkeys(set(texts) & self.ledgers["socket events"].attempted, 0))

    async def _texts_with_retries(self) -> list[str]:
        while True:
            try:
                return await self.texts()
            except (aiohttp.ClientError, TimeoutError, AssertionError):
                await asyncio.sleep(0.3)

    async def texts(self) -> list[str]:
        return [message["body"] for phone in PHONES for message in await self.user.messages(phone)]


@asynccontextmanager
async def listening(worker: Worker) -> AsyncIterator[LiveClient]:
    """Connect a live client to a random gateway, and wait until it is connected."""
    urls = worker.random.sample(worker.user.gateways, len(worker.user.gateways))
    async with LiveClient(urls, worker.user.token, on_event=worker.hear, on_reload=worker.reload) as live:
        await asyncio.wait_for(live.connected.wait(), 60)
        yield live
