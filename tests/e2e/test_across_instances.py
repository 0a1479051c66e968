"""Flows that begin at one instance continue at another: OAuth, conversations, calls, trials, roles."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from switchboard.testing import becomes, until
from switchboard.testing.sign_in import sign_in_provider
from switchboard.testing.stack import RunningStack

from .client import PASSWORD, Listener, User, listening, logged_in, member
from .oidc_browser import Browser, browser
from .operator_commands import operate
from .times import in_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

PHONE = "+14155550100"


async def test_oauth_ends_at_another_gateway_once_and_in_its_own_browser(stack: RunningStack) -> None:
    if stack.sign_in_provider is None:
        pytest.skip("that stack has no sign-in provider of a test")
    email = f"{uuid4().hex}@example.com"
    person = {"sub": email, "email": email, "email_verified": True, "name": "New Comer"}
    async with (
        sign_in_provider(int(stack.sign_in_provider.rpartition(":")[2]), person),
        browser(stack.gateways) as mine,
        browser(stack.gateways) as foreign,
    ):
        back = await _begun(mine, email, gateway=0)

        status, _, problem = await foreign.get(1, back)
        assert (status, problem["code"]) == (400, "oauth_state_invalid")

        back = await _begun(mine, email, gateway=0)
        kept = dict(mine.cookies)
        assert (await mine.get(1, back))[:2] == (302, "/inbox")

        for gateway in (0, 1):
            me = (await mine.get(gateway, "/auth/me"))[2]
            assert (me["user"]["email"], me["user"]["role"]) == (email, "owner")
        mine.cookies = kept
        status, _, problem = await mine.get(0, back)
        assert (status, problem["code"]) == (400, "oauth_state_invalid")


async def _begun(at: Browser, subject: str, *, gateway: int) -> str:
    """Begin to sign in, approve, and return the callback path that the browser has not requested yet."""
    status, location, problem = await at.get(gateway, "/auth/oauth/mock/login?redirect_to=/inbox")
    assert status == 302, problem
    return f"/auth/oauth/mock/callback?{await at.approve(location, subject)}"


async def test_a_conversation_is_the_same_at_every_instance(anna: User) -> None:
    path = f"/conversations/{PHONE.replace('+', '%2B')}"
    for n in range(12):
        assert (await anna.ask("POST", f"{path}/messages", {"body": f"{n}"}, gateway=n)).status == 201

    seen = [await anna.ask("GET", f"{path}/messages", gateway=gateway) for gateway in (0, 1)]
    assert [[m["body"] for m in answer.body["items"]] for answer in seen] == [[str(n) for n in range(12)]] * 2
    assert [m["seq"] for m in seen[0].body["items"]] == list(range(1, 13))

    assert (await anna.ask("PATCH", path, {"metadata": {"lead": "7"}}, gateway=0)).status == 204
    await until(lambda: all_delivered(anna), within=60)  # until then, two answers may differ
    listed = [(await anna.ask("GET", "/conversations", gateway=gateway)).body["items"] for gateway in (0, 1)]
    assert listed[0] == listed[1]
    assert [(c["contact_phone"], c["metadata"], c["last_message"]["body"]) for c in listed[0]] == [
        (PHONE, {"lead": "7"}, "11")
    ]

    assert (await anna.ask("DELETE", path, gateway=1)).status == 204
    assert (await anna.ask("GET", f"{path}/messages", gateway=0)).body["items"] == []
    assert (await anna.ask("DELETE", path, gateway=0)).status == 204  # deleting is idempotent

    again = await anna.ask("POST", f"{path}/messages", {"body": "again"}, gateway=0)
    assert again.body["seq"] == 13  # positions are never reused


async def all_delivered(user: User) -> bool:
    return {message["status"] for message in await user.messages(PHONE)} == {"delivered"}


async def test_a_call_rings_on_time_and_its_history_is_seen_everywhere(anna: User) -> None:
    assert (await anna.ask("PATCH", "/auth/me", {"notify_phone": "+14155550199"})).status == 200
    async with listening(anna, 0, ["websocket"]) as first, listening(anna, 1, ["websocket"]) as second:
        planned = await anna.make("/calls", {"contact_phone": PHONE, "scheduled_at": in_seconds(3), "note": "offer"})

        def heard(client: Any) -> list[str]:
            return [name for name, it in client.heard if it.get("data", {}).get("call_id") == planned["id"]]

        for client in (first, second):
            await becomes(lambda client=client: heard(client), ["call.scheduled", "call.ringing", "call.completed"], 60)

    for gateway in (0, 1):

        async def status(gateway: int = gateway) -> Any:
            return (await anna.ask("GET", f"/calls/{planned['id']}", gateway=gateway)).body["status"]

        await becomes(status, "completed", within=30)
        history = (await anna.ask("GET", f"/calls/{planned['id']}/events", gateway=gateway)).body["items"]
        assert [entry["kind"] for entry in history] == ["requested", "ringing", "completed"]


async def test_a_write_is_visible_to_other_services_before_its_event_arrives(stack: RunningStack, anna: User) -> None:
    stack.kill("rabbitmq", signal.SIGSTOP)  # no event is delivered from here on
    try:
        changes = {"notify_phone": "+14155550199", "time_zone": "Europe/Berlin"}
        assert (await anna.ask("PATCH", "/auth/me", changes)).status == 200
        daily = {"lead_id": "7", "note": "", "remind_at": in_seconds(3600), "recurrence": "FREQ=DAILY"}
        series = await anna.make("/reminders", daily)
        call = await anna.ask("POST", "/calls", {"contact_phone": PHONE, "scheduled_at": in_seconds(3600)})
        ben = (
            await anna.ask("POST", "/users", {"email": f"{uuid4().hex}@x.example", "name": "Ben", "role": "agent"})
        ).body
        wish = {"lead_id": "7", "note": "", "remind_at": in_seconds(3600), "user_id": ben["user"]["id"]}
        reminder = await anna.ask("POST", "/reminders", wish)
        contact = await anna.ask("POST", "/contacts", {"phone": PHONE, "owner_id": ben["user"]["id"]})
        file = await anna.upload("offer.pdf", b"the offer")
        body = {"body": "see this", "attachments": [file["id"]]}
        message = await anna.ask("POST", "/conversations/%2B14155550100/messages", body)
    finally:
        stack.kill("rabbitmq", signal.SIGCONT)

    assert series["time_zone"] == "Europe/Berlin"
    assert [answer.status for answer in (call, reminder, contact, message)] == [201, 201, 201, 201]


async def extend(stack: RunningStack, owner: User) -> None:
    tenant = (await owner.ask("GET", "/auth/me")).body["tenant"]["id"]
    await operate(stack, "tenant", "extend-trial", tenant, "--until", in_seconds(3600))


@asynccontextmanager
async def short_trial(stack: RunningStack) -> AsyncIterator[tuple[User, Listener]]:
    """Yield the connected owner of a tenant with a trial that ends soon; on a slow machine the trial is longer."""
    for seconds in (6, 20, 60):
        email = f"{uuid4().hex}@example.com"
        await operate(stack, "user", "create", email, "--password", PASSWORD, TRIAL_DURATION=f"{seconds}s")
        async with (
            logged_in(stack.gateways, email, PASSWORD) as owner,
            listening(owner, 0, ["websocket"]) as listener,
        ):
            ends = (await owner.ask("GET", "/auth/me")).body["tenant"]["trial_ends_at"]
            if datetime.now(UTC) < datetime.fromisoformat(ends):
                yield owner, listener
                return
    pytest.fail("it takes longer than a minute to sign in and listen")


async def test_a_trial_ends_on_time_everywhere_and_goes_on_when_extended(stack: RunningStack) -> None:
    async with short_trial(stack) as (owner, listener):
        await until(lambda: listener.of("tenant.trial_expired"), within=90)
        for gateway in (0, 1):
            refused = await owner.ask("POST", "/contacts", {"phone": PHONE}, gateway=gateway)
            assert (refused.status, refused.body["code"]) == (402, "trial_expired")
            assert (await owner.ask("GET", "/contacts", gateway=gateway)).status == 200

        await extend(stack, owner)

        async def add(number: int) -> int:
            return (await owner.ask("POST", "/contacts", {"phone": f"+1415555010{number}"}, gateway=number)).status

        for number in (0, 1):
            await becomes(lambda number=number: add(number), 201)


async def test_a_trial_that_is_extended_in_time_does_not_end(stack: RunningStack) -> None:
    email = f"{uuid4().hex}@example.com"
    await operate(stack, "user", "create", email, "--password", PASSWORD, TRIAL_DURATION="8s")
    async with logged_in(stack.gateways, email, PASSWORD) as owner:
        tenant = (await owner.ask("GET", "/auth/me")).body["tenant"]
        await extend(stack, owner)
        first_end = datetime.fromisoformat(tenant["trial_ends_at"])

        async with listening(owner, 0, ["websocket"]) as listener:
            await until(lambda: datetime.now(UTC) > first_end + timedelta(seconds=2), within=30)

            added = [await owner.ask("POST", "/contacts", {"phone": f"+1415555010{n}"}, gateway=n) for n in (0, 1)]
            assert [answer.status for answer in added] == [201, 201]
            assert listener.of("tenant.trial_expired") == []


async def test_a_changed_role_applies_at_every_instance_at_once(anna: User) -> None:
    admin = await member(anna, "admin")
    me = (await admin.ask("GET", "/auth/me")).body["user"]["id"]
    assert [(await admin.ask("GET", "/users", gateway=gateway)).status for gateway in (0, 1)] == [200, 200]

    assert (await anna.ask("PATCH", f"/users/{me}", {"role": "agent"}, gateway=0)).status == 200

    assert [(await admin.ask("GET", "/users", gateway=gateway)).status for gateway in (1, 0)] == [403, 403]
