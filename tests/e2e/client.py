"""Users of the product: HTTP clients of the gateways, and Socket.IO clients. They use nothing but the public API."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import aiohttp
import socketio
from yarl import URL

PATIENCE = 120.0  # seconds that a user keeps trying
ANSWER_WITHIN = 60.0  # longer than every timeout of the product, even on a busy machine
NOT_RETRYABLE = {400, 401, 402, 403, 404, 413, 415, 422}
PASSWORD = "correct horse battery staple"


@dataclass
class Answer:
    """A response; `seconds` is how long it took."""

    status: int
    body: Any
    seconds: float


class Refused(Exception):
    """The request was refused, and a retry would not help."""


@dataclass
class User:
    """A signed-in user who sends requests to the gateways in turn."""

    gateways: list[str]
    http: aiohttp.ClientSession
    token: str
    email: str
    refused: list[Answer] = field(default_factory=list)
    patience: float = PATIENCE
    _turn: Iterator[int] = field(default_factory=itertools.count)

    async def ask(
        self, method: str, path: str, body: Any = None, *, gateway: int | None = None, key: str | None = None
    ) -> Answer:
        """Send one request, to the next gateway or the given one. Raises `aiohttp.ClientError` on a lost connection."""
        chosen = self.gateways[(next(self._turn) if gateway is None else gateway) % len(self.gateways)]
        headers = {"Authorization": f"Bearer {self.token}", **({"Idempotency-Key": key} if key else {})}
        began = asyncio.get_running_loop().time()
        async with self.http.request(method, f"{chosen}/api/v1{path}", json=body, headers=headers) as answer:
            content = await answer.json(content_type=None) if await answer.read() else None
            return Answer(answer.status, content, asyncio.get_running_loop().time() - began)

    async def ask_for_text(
        self, method: str, path: str, body: Any = None, *, query: dict[str, Any] | None = None
    ) -> tuple[int, str]:
        """Send one request, and return its status and text. Redirects are not followed."""
        chosen = self.gateways[next(self._turn) % len(self.gateways)]
        async with self.http.request(
            method,
            URL(f"{chosen}/api/v1{path}", encoded=True).update_query(query or {}),
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            allow_redirects=False,
        ) as answer:
            return answer.status, await answer.text()

    async def insist(self, method: str, path: str, body: Any = None) -> Answer:
        """Retry a request with the same idempotency key until the answer is 2xx.

        Every other answer is kept in `refused`. Raises `Refused` for an answer that a retry can't change.
        """
        key = str(uuid4())
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    answer = await self.ask(method, path, body, key=key)
                    if 200 <= answer.status < 300:
                        return answer
                    if answer.status in NOT_RETRYABLE:
                        raise Refused(f"{method} {path} answered {answer.status}: {answer.body}")
                    self.refused.append(answer)
                except (aiohttp.ClientError, TimeoutError):
                    pass  # the connection was lost: the outcome is unknown
                await asyncio.sleep(0.2)

    async def say(self, phone: str, text: str) -> Answer:
        return await self.insist("POST", f"/conversations/{phone}/messages", {"body": text})

    async def make(self, path: str, body: Any) -> dict[str, Any]:
        """Create a resource, with retries."""
        made: dict[str, Any] = (await self.insist("POST", path, body)).body
        return made

    async def upload(self, name: str, content: bytes, *, lead: str = "1", gateway: int | None = None) -> dict[str, Any]:
        """Upload a document for a lead."""
        chosen = self.gateways[(next(self._turn) if gateway is None else gateway) % len(self.gateways)]
        form = aiohttp.FormData({"entity_type": "lead", "entity_id": lead}, quote_fields=False)
        form.add_field("file", content, filename=name, content_type="application/octet-stream")
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.post(f"{chosen}/api/v1/files", data=form, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            file: dict[str, Any] = await answer.json()
            return file

    async def messages(self, phone: str) -> list[dict[str, Any]]:
        """Load the whole conversation, oldest message first."""
        found: list[dict[str, Any]] = []
        before = ""
        while True:
            answer = await self.insist("GET", f"/conversations/{phone}/messages?limit=200{before}")
            found = answer.body["items"] + found
            if answer.body["next_before"] is None:
                return found
            before = f"&before={answer.body['next_before']}"


@asynccontextmanager
async def signed_up(gateways: list[str]) -> AsyncIterator[User]:
    """Sign up, and yield the owner of a new tenant."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN)) as http:
        user = User(gateways, http, "", "")
        await _sign_up(user)
        yield user


async def _sign_up(user: User) -> None:
    """Sign up, with retries under another email address: the route takes no idempotency key."""
    async with asyncio.timeout(PATIENCE):
        while not user.token:
            user.email = f"{uuid4().hex}@example.com"
            body = {"tenant_name": "Acme", "name": "Anna", "email": user.email, "password": PASSWORD}
            try:
                answer = await user.ask("POST", "/auth/signup", body)
            except aiohttp.ClientError:
                continue
            assert answer.status in (201, 503), answer.body
            if answer.status == 201:
                user.token = answer.body["session"]["token"]
            else:
                await asyncio.sleep(0.2)


@asynccontextmanager
async def logged_in(gateways: list[str], email: str, password: str) -> AsyncIterator[User]:
    """Log in, and yield the user."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN)) as http:
        user = User(gateways, http, "", email)
        answer = await user.ask("POST", "/auth/login", {"email": email, "password": password})
        assert answer.status == 200, answer.body
        user.token = answer.body["session"]["token"]
        yield user


async def member(owner: User, role: str) -> User:
    """Invite a colleague with that role, and accept the invitation."""
    email = f"{uuid4().hex}@example.com"
    invited = await owner.ask("POST", "/users", {"email": email, "name": "Bob", "role": role})
    body = {"token": invited.body["invite_token"], "password": PASSWORD}
    accepted = await owner.ask("POST", "/auth/invites/accept", body)
    return replace(owner, token=accepted.body["session"]["token"], email=email, refused=[])


@dataclass
class Listener:
    """Records the events of a Socket.IO client. `cut`: the reason of each disconnect."""

    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the data of these events, in order of arrival."""
        return [envelope["data"] for name, envelope in self.heard if name == event]


@asynccontextmanager
async def listening(user: User, gateway: int, transports: list[str]) -> AsyncIterator[Listener]:
    """Connect to that gateway, and wait for `session.ready`. After a lost connection, resume from the last event."""
    listener = Listener()
    ready = asyncio.Event()
    client = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=1, logger=False)
    auth: dict[str, Any] = {"token": user.token}

    async def hear(event: str, *arguments: Any) -> None:
        payload = arguments[0] if arguments else {}
        listener.heard.append((event, payload))
        if event == "session.ready":
            if not payload["resumed"]:
                auth["last_event_id"] = payload["last_event_id"]
            ready.set()
        elif "event_id" in payload:
            auth["last_event_id"] = payload["event_id"]

    client.on("*", hear)
    client.on("disconnect", listener.cut.append)
    try:
        async with asyncio.timeout(PATIENCE):
            await _connect(client, user.gateways[gateway], auth, transports)
            await ready.wait()
        yield listener
    finally:
        await client.disconnect()
        await client.shutdown()


async def _connect(client: socketio.AsyncClient, gateway: str, auth: dict[str, Any], transports: list[str]) -> None:
    while True:
        try:
            await client.connect(gateway, auth=lambda: auth, transports=transports, wait_timeout=20)
        except socketio.exceptions.ConnectionError:
            await client.disconnect()
            await asyncio.sleep(0.2)
        else:
            return
