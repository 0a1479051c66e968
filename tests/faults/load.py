"""Users at work: each writes, uploads, plans and listens, and keeps a book of it."""

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

from .ledger import KINDS, Balance, Ledger

PHONES = tuple(f"+1415555010{n}" for n in range(6))
CAMPAIGN_PHONES = 40
OVER = ("completed", "missed", "failed")


@dataclass
class Pace:
    """Users who see that nothing moves wait longer: the load is what a machine can bear, however busy it is."""

    factor: float = 1.0

    def slower(self) -> None:
        self.factor = min(self.factor * 1.2, 20.0)

    def faster(self) -> None:
        self.factor = max(self.factor * 0.7, 1.0)


@dataclass
class Worker:
    """One user, their books, and what they heard."""

    user: User
    random: random.Random
    pace: Pace
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {kind: Ledger() for kind in KINDS})
    heard: Counter[str] = field(default_factory=Counter)  # message -> how often, since the last reload
    twice: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
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
        """Tried once: what a client does that can't read its file again."""
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
            self.heard[name] += 1
        else:
            self.strange.append(name)  # a campaign's or unexpected: the ledger decides at the end

    async def reload(self) -> None:
        """What a client does that may have missed events: it looks."""
        self.reloads += 1
        self.twice += [name for name, count in self.heard.items() if count > 1]
        texts = await self._texts_in_the_end()
        # Seen before: an event that arrives now, once, was published before the look.
        self.heard = Counter(dict.fromkeys(set(texts) & self.ledgers["socket events"].attempted, 0))

    async def _texts_in_the_end(self) -> list[str]:
        while True:
            try:
                return await self._texts()
            except (aiohttp.ClientError, TimeoutError, AssertionError):
                await asyncio.sleep(0.3)

    async def _texts(self) -> list[str]:
        return [message["body"] for phone in PHONES for message in await self.user.messages(phone)]

    async def close_books(self) -> dict[str, Balance]:
        """As things stand now."""
        sent, uncertain = await self._deliveries()
        found = {
            "messages": Counter(await self._texts()),
            "files": await self._files(),
            "reminders": await self._reminders(),
            "campaign deliveries": sent,
            "calls": await self._rung(),
            "socket events": self._events(),
        }
        return {
            kind: self.ledgers[kind].close(there, uncertain=uncertain if kind == "campaign deliveries" else frozenset())
            for kind, there in found.items()
        }

    def _events(self) -> Counter[str]:
        there = Counter({name: max(count, 1) for name, count in self.heard.items()})
        for name in self.twice:
            there[name] = 2
        campaigns = {name.split()[0] for name in self.ledgers["campaign deliveries"].attempted}
        return there + Counter(name for name in self.strange if name.split()[0] not in campaigns)

    async def _files(self) -> Counter[str]:
        """With the bytes that the store gives back."""
        there: Counter[str] = Counter()
        for file in await self._all("/files?entity_type=lead&entity_id=1&"):
            if file["uploaded_by"] != self.id:
                continue
            link = (await self._got(f"/files/{file['id']}"))["download_url"]
            async with self.user.http.get(link) as answer:
                there[f"{file['name']} {hashlib.sha256(await answer.read()).hexdigest()}"] += 1
        return there

    async def _reminders(self) -> Counter[str]:
        titles = [item["title"] for item in await self._all("/notifications?") if item["kind"] == "reminder"]
        return Counter(title.removeprefix("Reminder: ").removesuffix(" (late)") for title in titles)

    async def _deliveries(self) -> tuple[Counter[str], frozenset[str]]:
        """The settled deliveries, by the campaigns' counts and by the conversations' messages: the worse counts."""
        there: Counter[str] = Counter()
        uncertain: set[str] = set()
        phones: set[str] = set()
        for id_, name in (await self._my_campaigns()).items():
            for item in await self._of_campaign(f"/campaigns/{id_}/deliveries?"):
                named = f"{name} {item['contact_phone']}"
                phones.add(item["contact_phone"])
                if item["status"] in ("sent", "delivered", "read"):
                    there[named] += 1
                elif item["status"] == "uncertain":
                    there[named] += 1
                    uncertain.add(named)
        for phone in sorted(phones):
            for text, count in Counter(message["body"] for message in await self.user.messages(phone)).items():
                there[text] = max(there[text], count)
        return there, frozenset(uncertain)

    async def _my_campaigns(self) -> dict[str, str]:
        campaigns = await self._all("/campaigns?")
        return {campaign["id"]: campaign["name"] for campaign in campaigns if campaign["user_id"] == self.id}

    async def _of_campaign(self, path: str) -> list[dict[str, Any]]:
        """None while it has not begun: what is never begun has to count as lost."""
        if (await self.user.ask("GET", f"{path}limit=1")).status == 404:
            return []
        return await self._all(path)

    async def _rung(self) -> Counter[str]:
        """Calls that came to an end, by how often they rang."""
        there: Counter[str] = Counter()
        for call in await self._all("/calls?"):
            if call["status"] in OVER:
                history = [entry["kind"] for entry in (await self._got(f"/calls/{call['id']}/events"))["items"]]
                there[call["note"]] += max(1, history.count("ringing"))
        return there

    async def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self._got(f"{path}limit=200{cursor}")
            found += answer["items"]
            if answer["next_cursor"] is None:
                return found
            cursor = f"&cursor={answer['next_cursor']}"

    async def _got(self, path: str) -> dict[str, Any]:
        answer = await self.user.ask("GET", path)
        assert answer.status == 200, (path, answer.body)
        body: dict[str, Any] = answer.body
        return body


@asynccontextmanager
async def listening(worker: Worker) -> AsyncIterator[LiveClient]:
    """From the first connection on."""
    urls = worker.random.sample(worker.user.gateways, len(worker.user.gateways))
    async with LiveClient(urls, worker.user.token, on_event=worker.hear, on_reload=worker.reload) as live:
        await asyncio.wait_for(live.connected.wait(), 60)
        yield live


def summed(all_books: list[dict[str, Balance]]) -> dict[str, Balance]:
    """Those of all workers together."""

    def of(kind: str) -> Balance:
        each = [ledgers[kind] for ledgers in all_books]
        return Balance(
            attempted=sum(one.attempted for one in each),
            acknowledged=sum(one.acknowledged for one in each),
            lost=[name for one in each for name in one.lost],
            doubled=[name for one in each for name in one.doubled],
            unexpected=[name for one in each for name in one.unexpected],
            uncertain=[name for one in each for name in one.uncertain],
            recovered=sum(one.recovered for one in each),
        )

    return {kind: of(kind) for kind in KINDS}
