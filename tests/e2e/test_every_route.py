"""Every route of the document, none forgotten: without a session, with too low a role, with another tenant's ids."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .people import User, member

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(240)]

API = "/api/v1"

# What the `{...}` of a path names: a thing of one tenant, made below; or nothing that another tenant could own.
OWNED = {
    "/auth/sessions/{id}": "session",
    "/calls/{id}": "call",
    "/calls/{id}/events": "call",
    "/campaigns/{id}": "campaign",
    "/campaigns/{id}/cancel": "campaign",
    "/campaigns/{id}/deliveries": "campaign",
    "/campaigns/{id}/pause": "campaign",
    "/campaigns/{id}/resume": "campaign",
    "/channels/{id}": "channel",
    "/contacts/{id}": "contact",
    "/files/uploads/{id}/complete": "upload",
    "/files/{id}": "file",
    "/files/{id}/content": "file",
    "/notifications/{id}/read": "notification",
    "/reminders/{id}": "reminder",
    "/reminders/{id}/snooze": "reminder",
    "/users/{id}": "user",
}
NOBODYS = {
    "/auth/oauth/{provider}/login": "a provider is the product's",
    "/auth/oauth/{provider}/link": "a provider is the product's",
    "/auth/oauth/{provider}/callback": "a provider is the product's",
    "/conversations/{phone}": "each user has their own with a phone",
    "/conversations/{phone}/messages": "each user has their own with a phone",
    "/conversations/{phone}/read": "each user has their own with a phone",
    "/webhooks/{provider}/{endpoint_key}": "the key selects the tenant, the signature proves it",
}
ENDS_SESSIONS = {("post", "/auth/logout"), ("delete", "/auth/sessions"), ("post", "/auth/password")}


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


BODIES: dict[tuple[str, str], Any] = {
    ("patch", "/calls/{id}"): {"note": "x"},
    ("patch", "/channels/{id}"): {},
    ("patch", "/contacts/{id}"): {"name": "x"},
    ("patch", "/reminders/{id}"): {"note": "x"},
    ("patch", "/users/{id}"): {"name": "x"},
    ("post", "/reminders/{id}/snooze"): {"until": in_hours(3)},
}


Operation = tuple[str, str, dict[str, Any]]


async def operations(user: User) -> list[Operation]:
    """(method, path under the API, what the document says of it)."""
    async with user.http.get(f"{user.gateways[0]}/openapi.json") as answer:
        document = await answer.json()
    return [
        (method, path.removeprefix(API), told)
        for path, methods in document["paths"].items()
        if path.startswith(API)
        for method, told in methods.items()
    ]


async def ask(user: User, method: str, template: str, id: str = "") -> int:
    """The status of a request for this id, by default one that nobody has."""
    path = template.replace("{id}", id or str(uuid4())).replace("{phone}", "%2B14155550100")
    path = path.replace("{provider}", "google").replace("{endpoint_key}", "x")
    return (await user.ask(method.upper(), path, BODIES.get((method, template)))).status


async def test_no_route_but_public_ones_answers_without_a_session(anna: User) -> None:
    nobody = replace(anna, token="nobodys")

    wrong = {
        (method, path): status
        for method, path, told in await operations(anna)
        if told.get("security") != [] and (status := await ask(nobody, method, path)) != 401
    }

    assert wrong == {}


async def test_each_route_refuses_a_role_that_is_too_low_and_no_other(anna: User) -> None:
    agent, admin = [await member(anna, role) for role in ("agent", "admin")]
    ranks = {"agent": 0, "admin": 1, "owner": 2}
    wrong = {}

    for method, path, told in await operations(anna):
        if told.get("security") == [] or (method, path) in ENDS_SESSIONS:
            continue
        for rank, user in enumerate((agent, admin, anna)):
            status = await ask(user, method, path)
            if (status == 403) != (rank < ranks[told["x-role"]]) or status in (401, 500):
                wrong[method, path, rank] = status

    assert wrong == {}


async def test_another_tenants_ids_name_nothing(anna: User, stranger: User) -> None:
    things = await everything_of(anna)
    wrong = {}

    for method, path, _ in await operations(anna):
        if "{" not in path or path in NOBODYS:
            continue
        assert path in OWNED, f"{method} {path}: say in OWNED or NOBODYS what it names"
        status = await ask(stranger, method, path, things[OWNED[path]])
        if status != 404:
            wrong[method, path] = status

    assert wrong == {}
    assert (await anna.ask("GET", f"/contacts/{things['contact']}")).status == 200
    assert (await anna.ask("GET", f"/reminders/{things['reminder']}")).status == 200


async def everything_of(user: User) -> dict[str, str]:
    """The id of one thing of each kind."""

    async def make(path: str, body: Any) -> str:
        answer = await user.ask("POST", path, body)
        assert answer.status == 201, (path, answer.body)
        return str(answer.body["id"])

    phone = {"phone": "+14155550100"}
    contact = await make("/contacts", phone)
    reminder = await make("/reminders", {"lead_id": "1", "note": "soon", "remind_at": in_hours(0)})
    await user.ask("PATCH", "/auth/me", {"notify_phone": "+14155550199"})

    async def notified() -> str:
        items = (await user.ask("GET", "/notifications")).body["items"]
        return str(items[0]["id"]) if items else ""

    return {
        "contact": contact,
        "reminder": reminder,
        "notification": await until(notified, within=60),
        "call": await make("/calls", {"contact_phone": phone["phone"], "scheduled_at": in_hours(2)}),
        "campaign": await make(
            "/campaigns",
            {"name": "x", "template": "hi", "audience": {"phones": ["+14155550100"]}, "send_at": in_hours(2)},
        ),
        "file": str((await user.upload("a.txt", b"hi"))["id"]),
        "upload": await make(
            "/files/uploads",
            {"name": "a.txt", "size": 2, "content_type": "text/plain", "entity_type": "lead", "entity_id": "1"},
        ),
        "user": str((await user.ask("GET", "/auth/me")).body["user"]["id"]),
        "session": str((await user.ask("GET", "/auth/sessions")).body["items"][0]["id"]),
        "channel": await channel(user),
    }


async def channel(user: User) -> str:
    body = {
        "provider": "twilio",
        "number": "+14155550123",
        "credentials": {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32},
    }
    answer = await user.ask("POST", "/channels", body)
    assert answer.status == 201, answer.body
    return str(answer.body["id"])


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_answers_are_as_the_document_says_whatever_is_asked(stack: RunningStack, anna: User) -> None:
    words = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{stack.gateways[0]}/openapi.json",
        "--url", stack.gateways[0], "--header", f"Authorization: Bearer {anna.token}", "--max-examples", "15",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--exclude-path-regex", "/auth/(logout|sessions|password|oauth)", "--phases", "examples,fuzzing",
    ]  # fmt: skip

    run = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout[-6000:]
