"""Audit a fault run: compare each worker's ledgers with the product's data."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .ledger import KINDS, Balance
from .load import Worker

OVER = ("completed", "missed", "failed")


@dataclass(frozen=True)
class Audit:
    """Reads a worker's data back over the API."""

    worker: Worker

    async def balances(self) -> dict[str, Balance]:
        """Compare the ledgers with the current state of the product."""
        deliveries, uncertain = await self._deliveries()
        uncertain_by_kind = {"campaign deliveries": uncertain}
        found = {
            "messages": Counter(await self.worker.texts()),
            "files": await self._files(),
            "reminders": await self._reminders(),
            "campaign deliveries": deliveries,
            "calls": await self._rings(),
            "socket events": self._events(),
        }
        return {
            kind: self.worker.ledgers[kind].close(there, uncertain=uncertain_by_kind.get(kind, frozenset()))
            for kind, there in found.items()
        }

    def _events(self) -> Counter[str]:
        there = Counter({name: max(count, 1) for name, count in self.worker.received.items()})
        for name in self.worker.duplicates:
            there[name] = 2
        campaigns = {name.split()[0] for name in self.worker.ledgers["campaign deliveries"].attempted}
        return there + Counter(name for name in self.worker.unrecognised if name.split()[0] not in campaigns)

    async def _files(self) -> Counter[str]:
        """Count the worker's files, by name and the hash of the downloaded bytes."""
        there: Counter[str] = Counter()
        for file in await self._all("/files?entity_type=lead&entity_id=1&"):
            if file["uploaded_by"] != self.worker.id:
                continue
            link = (await self._got(f"/files/{file['id']}"))["download_url"]
            async with self.worker.user.http.get(link) as answer:
                there[f"{file['name']} {hashlib.sha256(await answer.read()).hexdigest()}"] += 1
        return there

    async def _reminders(self) -> Counter[str]:
        titles = [item["title"] for item in await self._all("/notifications?") if item["kind"] == "reminder"]
        return Counter(title.removeprefix("Reminder: ").removesuffix(" (late)") for title in titles)

    async def _deliveries(self) -> tuple[Counter[str], frozenset[str]]:
        """Count the settled deliveries, in the campaigns and in the conversations; the higher count is used."""
        there: Counter[str] = Counter()
        uncertain: set[str] = set()
        phones: set[str] = set()
        for id_, name in (await self._my_campaigns()).items():
            for item in await self._deliveries_of_campaign(f"/campaigns/{id_}/deliveries?"):
                named = f"{name} {item['contact_phone']}"
                phones.add(item["contact_phone"])
                if item["status"] in ("sent", "delivered", "read"):
                    there[named] += 1
                elif item["status"] == "uncertain":
                    there[named] += 1
                    uncertain.add(named)
        for phone in sorted(phones):
            for text, count in Counter(message["body"] for message in await self.worker.user.messages(phone)).items():
                there[text] = max(there[text], count)
        return there, frozenset(uncertain)

    async def _my_campaigns(self) -> dict[str, str]:
        campaigns = await self._all("/campaigns?")
        return {campaign["id"]: campaign["name"] for campaign in campaigns if campaign["user_id"] == self.worker.id}

    async def _deliveries_of_campaign(self, path: str) -> list[dict[str, Any]]:
        """Return a campaign's deliveries; none before it begins, so that one that never begins counts as lost."""
        if (await self.worker.user.ask("GET", f"{path}limit=1")).status == 404:
            return []
        return await self._all(path)

    async def _rings(self) -> Counter[str]:
        """Count how often each finished call rang."""
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
        answer = await self.worker.user.ask("GET", path)
        assert answer.status == 200, (path, answer.body)
        body: dict[str, Any] = answer.body
        return body


async def audit_all(workers: list[Worker]) -> dict[str, Balance]:
    """Audit all workers, and add up their balances."""
    all_balances = [await Audit(worker).balances() for worker in workers]

    def total(kind: str) -> Balance:
        each = [balances[kind] for balances in all_balances]
        return Balance(
            attempted=sum(one.attempted for one in each),
            acknowledged=sum(one.acknowledged for one in each),
            lost=[name for one in each for name in one.lost],
            doubled=[name for one in each for name in one.doubled],
            unexpected=[name for one in each for name in one.unexpected],
            uncertain=[name for one in each for name in one.uncertain],
            recovered=sum(one.recovered for one in each),
        )

    return {kind: total(kind) for kind in KINDS}
