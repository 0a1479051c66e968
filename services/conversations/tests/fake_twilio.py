"""A fake Twilio, run as a process: `python fake_twilio.py PORT`. It counts what it accepted.

`POST /control` sets its behaviour, `GET /seen` returns the counts. Receipts are signed and sent until accepted.
"""

import asyncio
import base64
import hashlib
import hmac
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web

TOKEN = "token"


@dataclass
class Behaviour:
    """Probabilities. `receipts`: that the receipts of an accepted message are sent."""

    throttled: float = 0.0
    retry_after: float = 0.2
    broken: float = 0.0  # accepted, and answered with 500
    refused_500: float = 0.0  # not accepted, and answered with 500
    hanging: float = 0.0  # accepted, and never answered
    receipts: float = 1.0
    latency: float = 0.005


@dataclass
class FakeTwilio:
    behaviour: Behaviour = field(default_factory=Behaviour)
    accepted: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    receipts_due: asyncio.Queue[tuple[str, dict[str, str]]] = field(default_factory=asyncio.Queue)

    async def messages(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        behaviour = self.behaviour
        await asyncio.sleep(behaviour.latency)
        chance = random.random()
        if chance < behaviour.throttled:
            return self._answer(429, {"code": 20429}, {"Retry-After": str(behaviour.retry_after)})
        chance = random.random()
        if chance < behaviour.refused_500:
            return self._answer(500, {})
        self.accepted[str(form["To"])] += 1
        sid = f"SM{uuid4().hex}"
        if random.random() < behaviour.receipts:
            self._will_report(str(form["StatusCallback"]), sid)
        if chance < behaviour.refused_500 + behaviour.broken:
            return self._answer(500, {})
        if random.random() < behaviour.hanging:
            await asyncio.sleep(60)
        return self._answer(201, {"sid": sid, "status": "queued"})

    async def place_call(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.calls[str(form["To"])] += 1
        sid = f"CA{uuid4().hex}"
        for status in ("ringing", "in-progress", "completed"):
            self.receipts_due.put_nowait((str(form["StatusCallback"]), {"CallSid": sid, "CallStatus": status}))
        return self._answer(201, {"sid": sid, "status": "queued"})

    def _will_report(self, callback: str, sid: str) -> None:
        """Queue receipts: out of order, and one of them twice."""
        for status in ("delivered", "sent", "delivered"):
            self.receipts_due.put_nowait((callback, {"MessageSid": sid, "MessageStatus": status}))

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
        self.answers[status] += 1
        return web.json_response(body, status=status, headers=headers)

    async def control(self, request: web.Request) -> web.Response:
        self.behaviour = Behaviour(**await request.json())
        return web.json_response({})

    async def seen(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "accepted": self.accepted,
                "answers": {str(status): n for status, n in self.answers.items()},
                "calls": self.calls,
                "receipts_due": self.receipts_due.qsize(),
            }
        )

    async def report(self) -> None:
        """One of the workers that send receipts."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client:
            while True:
                callback, form = await self.receipts_due.get()
                if not await _is_taken(client, callback, form):
                    await asyncio.sleep(0.2)
                    self.receipts_due.put_nowait((callback, form))


async def _is_taken(client: aiohttp.ClientSession, callback: str, form: dict[str, str]) -> bool:
    headers = {"X-Twilio-Signature": sign(callback, form)}
    try:
        async with client.post(callback, data=form, headers=headers) as answer:
            return answer.status < 500
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def sign(url: str, form: dict[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()


def app_of(fake: FakeTwilio) -> web.Application:
    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", fake.messages)
    app.router.add_post("/2010-04-01/Accounts/{sid}/Calls.json", fake.place_call)
    app.router.add_post("/control", fake.control)
    app.router.add_get("/seen", fake.seen)

    async def reporters(_: web.Application) -> Any:
        tasks = [asyncio.create_task(fake.report()) for _ in range(8)]
        yield
        for task in tasks:
            task.cancel()

    app.cleanup_ctx.append(reporters)
    return app


if __name__ == "__main__":
    web.run_app(app_of(FakeTwilio()), host="127.0.0.1", port=int(sys.argv[1]), print=None)
