"""`make demo`: a tour of the running stack, with each step printed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import socketio
from rich.console import Console
from rich.markup import escape

from switchboard.local.stack import Stack
from switchboard.local.stack_directory import REPOSITORY
from switchboard.local.status import StatusRow, rows

SAMPLES = REPOSITORY / "services" / "conversations" / "samples" / "conversations"
LEGACY_USERS = tuple(folder.name for folder in SAMPLES.iterdir()) if SAMPLES.is_dir() else ()
PHONES = ("+14155550132", "+14155550147")
EVENT_SECONDS = 15.0


class DemoFailed(Exception):
    """A step of the tour had an unexpected result."""


class Tour:
    """A signed-in user who sends requests to both gateways, and listens at both."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._gateways = stack.gateways
        self._received: list[tuple[str, str, dict[str, Any]]] = []  # gateway, event, data
        self._event_received = asyncio.Event()
        self._token = ""

    async def take(self) -> None:
        """Run every step. Raises `DemoFailed` at the first unexpected result."""
        async with aiohttp.ClientSession() as self._http, AsyncExitStack() as sockets:
            me = await self._sign_up()
            for gateway in self._gateways:
                await self._listen(sockets, gateway)
            await self._migrate(me["tenant"]["id"], me["user"]["id"])
            await self._send_messages()
            await self._upload()
            await self._run_campaign()
            await self._set_reminder_and_kill_the_leader()
            await self._sign_out()
        self._console.print("\n[bold green]That was the tour.[/] make status shows the killed leader's new process.")

    async def _sign_up(self) -> dict[str, Any]:
        self._title("Sign up", "a tenant, its owner and a session")
        email = f"anna-{uuid4().hex[:6]}@example.com"
        body = {"tenant_name": "Acme", "name": "Anna", "email": email, "password": uuid4().hex}
        answer: dict[str, Any] = await self._request("POST", "/auth/signup", 0, body)
        self._token = answer["session"]["token"]
        self._print(f"{email}, {answer['user']['role']} of {answer['tenant']['name']}, in its trial")
        return answer

    async def _listen(self, sockets: AsyncExitStack, gateway: str) -> None:
        client = socketio.AsyncClient(reconnection_delay=0.2)
        name = f":{gateway.rpartition(':')[2]}"

        async def on_event(event: str, *arguments: Any) -> None:
            data = arguments[0].get("data", arguments[0]) if arguments else {}
            self._received.append((name, event, data))
            self._event_received.set()
            self._console.print(f"  [cyan]{name}[/] [magenta]{event}[/] [dim]{escape(_short(data))}[/]", soft_wrap=True)

        client.on("*", on_event)
        await client.connect(gateway, auth={"token": self._token}, transports=["websocket"], wait_timeout=10)
        sockets.push_async_callback(client.shutdown)
        await self._wait(f"session.ready at {name}", lambda events: any(g == name for g, _, _ in events))

    async def _migrate(self, tenant: str, user: str) -> None:
        self._title("Migrate", f"the legacy platform's conversation files in {SAMPLES.relative_to(REPOSITORY)}")
        with tempfile.NamedTemporaryFile("w", suffix=".json") as users:
            json.dump(dict.fromkeys(LEGACY_USERS, user), users)
            users.flush()
            arguments = ["--from", SAMPLES, "--tenant", tenant, "--user-map", users.name, "--verify"]
            command = [sys.executable, "-m", "switchboard.cli.operator", "migrate-conversations", *map(str, arguments)]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        self._console.print(escape((done.stdout + done.stderr).strip()))
        migrated = await self._request("GET", f"/conversations/{PHONES[0]}/messages", 1)
        if not migrated["items"]:
            raise DemoFailed("the migrated conversation reads back empty")
        self._print(f"{PHONES[0]} reads back with {len(migrated['items'])} messages at the other gateway")

    async def _send_messages(self) -> None:
        self._title("Send", "four messages, at both gateways in turn; each is heard at both")
        for n in range(4):
            body = {"body": f"Hello {n + 1}, sent at gateway {n % 2 + 1}"}
            await self._request("POST", f"/conversations/{PHONES[0]}/messages", n, body, key=True)
        await self._wait_for_count("conversation.message_appended", 8)

    async def _upload(self) -> None:
        self._title("Upload", "a document on a lead, streamed into the S3 store")
        form = aiohttp.FormData({"entity_type": "lead", "entity_id": "L-1"})
        form.add_field("file", b"Dear Acme, we accept your offer.\n", filename="offer.txt", content_type="text/plain")
        answer = await self._request("POST", "/files", 0, form=form)
        self._print(f"{answer['key']}, sha256 {answer['sha256'][:12]}…")
        await self._wait_for_count("file.uploaded", 2)

    async def _run_campaign(self) -> None:
        self._title("Campaign", "to two phones, one message each")
        body = {
            "name": "Autumn offer",
            "template": "Hello {{phone}}, here is our autumn offer.",
            "audience": {"phones": list(PHONES)},
            "send_at": _in(seconds=1),
        }
        campaign = await self._request("POST", "/campaigns", 1, body, key=True)
        await self._wait_for_count("campaign.completed", 2)
        state = await self._completed(campaign["id"])
        self._print(f"{state['status']}: {state['counts']}")

    async def _completed(self, campaign: str) -> dict[str, Any]:
        """The campaign, once the scheduler has handled the event that clients have already heard."""
        for _ in range(int(EVENT_SECONDS / 0.1)):
            state: dict[str, Any] = await self._request("GET", f"/campaigns/{campaign}", 0)
            if state["status"] == "completed":
                return state
            await asyncio.sleep(0.1)
        raise DemoFailed(f"the campaign is not completed within {EVENT_SECONDS:.0f} s")

    async def _set_reminder_and_kill_the_leader(self) -> None:
        self._title("Remind", "in two seconds; meanwhile the scheduler's leader is killed")
        body = {"lead_id": "L-1", "note": "call them back", "remind_at": _in(seconds=2)}
        await self._request("POST", "/reminders", 0, body, key=True)
        leader = await self._leader()
        os.kill(leader.pid or 0, signal.SIGKILL)
        self._print(f"kill -9 {leader.pid} ({leader.instance}); the other one takes over")
        await self._wait_for_count("reminder.fired", 2)
        await self._wait_for_count("notification.created", 2)

    async def _sign_out(self) -> None:
        self._title("Sign out", "at one gateway; the other one knows at once")
        await self._request("POST", "/auth/logout", 0)
        async with self._http.get(f"{self._gateways[1]}/api/v1/auth/me", headers=self._headers()) as answer:
            if answer.status != 401:
                raise DemoFailed(f"the token still works: {answer.status}")
            self._print(f"401 {(await answer.json())['code']}")

    async def _leader(self) -> StatusRow:
        schedulers = [row for row in rows(self._stack) if row.service == "scheduler" and row.pid]
        for row in schedulers:
            async with self._http.get(f"http://127.0.0.1:{row.port}/metrics") as answer:
                if "\nscheduler_leading 1.0" in await answer.text():
                    return row
        raise DemoFailed("no scheduler leads")

    async def _request(
        self,
        method: str,
        path: str,
        gateway: int,
        body: dict[str, Any] | None = None,
        *,
        form: aiohttp.FormData | None = None,
        key: bool = False,
    ) -> Any:
        url = f"{self._gateways[gateway % len(self._gateways)]}/api/v1{path}"
        headers = self._headers() | ({"Idempotency-Key": uuid4().hex} if key else {})
        async with self._http.request(method, url, json=body, data=form, headers=headers) as answer:
            if answer.status >= 400:
                raise DemoFailed(f"{method} {path} answered {answer.status}: {await answer.text()}")
            return await answer.json() if answer.status != 204 else None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _wait_for_count(self, event: str, count: int) -> None:
        await self._wait(f"{count} times {event}", lambda events: sum(name == event for _, name, _ in events) >= count)

    async def _wait(self, description: str, arrived: Callable[[list[tuple[str, str, dict[str, Any]]]], bool]) -> None:
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                while not arrived(self._received):
                    self._event_received.clear()
                    await self._event_received.wait()
        except TimeoutError:
            raise DemoFailed(f"not heard within {EVENT_SECONDS:.0f} s: {description}") from None

    def _title(self, title: str, text: str) -> None:
        self._console.print(f"\n[bold]{title}[/]: {text}", soft_wrap=True)

    def _print(self, text: str) -> None:
        self._console.print(f"  {escape(text)}", soft_wrap=True)


def _in(*, seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def _short(data: dict[str, Any]) -> str:
    """Format an event's data for reading: without ids and empty fields, cut to one line."""
    shown = data.get("message", data)
    text = json.dumps({n: v for n, v in shown.items() if v and n != "id" and not n.endswith("_id")}, ensure_ascii=False)
    return text if len(text) <= 110 else text[:107] + "…"
