"""The testing checklist of the legacy platform: one test for each line, with several instances of each service."""

import asyncio
import hashlib
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from switchboard.local.status import StatusRow
from switchboard.testing import becomes, until
from switchboard.testing.buckets import client as bucket_client
from switchboard.testing.stack import RunningStack

from .client import PASSWORD, User, listening, logged_in, member
from .times import in_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]


async def test_login_and_logout_across_several_instances(stack: RunningStack, anna: User) -> None:
    last = len(stack.gateways) - 1
    async with logged_in(stack.gateways, anna.email, PASSWORD) as again:
        for gateway in (0, last, 0, last):  # each gateway balances over both instances of auth
            assert (await again.ask("GET", "/auth/me", gateway=gateway)).status == 200

        assert (await again.ask("POST", "/auth/logout", gateway=0)).status == 204

        after = [await again.ask("GET", "/auth/me", gateway=gateway) for gateway in (last, 0, last, 0)]
        assert [(answer.status, answer.body["code"]) for answer in after] == [(401, "unauthenticated")] * 4
    assert (await anna.ask("GET", "/auth/me", gateway=last)).status == 200  # the other session lives


async def test_websocket_events_reach_all_clients(stack: RunningStack, anna: User) -> None:
    last = len(stack.gateways) - 1
    bob = await member(anna, "agent")
    async with (
        listening(anna, 0, ["websocket"]) as annas_first,
        listening(anna, last, ["polling"]) as annas_second,
        listening(bob, 0, ["polling", "websocket"]) as bobs_first,
        listening(bob, last, ["websocket"]) as bobs_second,
    ):
        everyone = (annas_first, annas_second, bobs_first, bobs_second)

        sent = [(await anna.upload(f"{n}.txt", b"x", gateway=n))["id"] for n in range(6)]
        await anna.say("+14155550100", "hello")

        for client in everyone:
            await becomes(lambda client=client: sorted(f["id"] for f in client.of("file.uploaded")), sorted(sent), 30)
        for client in (annas_first, annas_second):
            await becomes(lambda client=client: len(client.of("conversation.message_appended")), 1, 30)
        await anna.upload("last.txt", b"x")
        for client in (bobs_first, bobs_second):  # not in this conversation
            await becomes(lambda client=client: len(client.of("file.uploaded")), 7, 30)
            assert client.of("conversation.message_appended") == []


async def test_file_uploads_are_stored_in_s3(stack: RunningStack, anna: User) -> None:
    content = bytes(range(256)) * 4096

    uploaded = [await anna.upload("a plan (2).bin", content, lead="L-7", gateway=n) for n in range(2)]

    tenant = (await anna.ask("GET", "/auth/me")).body["tenant"]["id"]
    for file in uploaded:
        assert file["key"].startswith(f"documents/{tenant}/lead/L-7/a_plan__2__")
        assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        link = (await anna.ask("GET", f"/files/{file['id']}")).body["download_url"]
        assert urlsplit(link).path.endswith(f"/{file['key']}")
        assert "X-Amz-Signature=" in link
        if stack.stack_dir is not None:
            assert _in_bucket(stack.environment("files"), file["key"]) == content
    assert len({file["key"] for file in uploaded}) == 2


def _in_bucket(settings: dict[str, str], key: str) -> bytes:
    found: bytes = bucket_client(settings).get_object(Bucket=settings["S3_BUCKET"], Key=key)["Body"].read()
    return found


async def test_file_downloads_work_with_signed_urls(stack: RunningStack, anna: User, stranger: User) -> None:
    content = b"Dear Acme, we accept your offer.\n"
    file = await anna.upload("offer.txt", content, gateway=0)

    seen = (await anna.ask("GET", f"/files/{file['id']}", gateway=1)).body

    link = seen["download_url"]
    for url in (link, await _redirect(anna, f"/files/{file['id']}/content")):
        async with anna.http.get(url) as answer:  # without a session: the signature suffices
            assert (answer.status, await answer.read()) == (200, content)
            assert "offer.txt" in answer.headers["Content-Disposition"]
    signature = link.partition("X-Amz-Signature=")[2][:64]
    forged = link.replace(signature, signature[::-1])
    for bad in (forged, link.partition("?")[0], link.replace("offer", "other")):
        async with anna.http.get(bad) as answer:
            assert answer.status in (401, 403, 404), bad  # the answer reveals nothing
    assert (await stranger.ask("GET", f"/files/{file['id']}")).status == 404


async def _redirect(user: User, path: str) -> str:
    headers = {"Authorization": f"Bearer {user.token}"}
    async with user.http.get(f"{user.gateways[0]}/api/v1{path}", headers=headers, allow_redirects=False) as answer:
        assert answer.status == 302
        return answer.headers["Location"]


async def test_campaigns_send_exactly_once(stack: RunningStack, anna: User) -> None:
    phones = [f"+1415555{n:04}" for n in range(1, 41)]
    body = {"name": "x", "template": "Hello {{phone}}", "audience": {"phones": phones}, "send_at": in_seconds(2)}
    campaign = await anna.make("/campaigns", body)
    path = f"/campaigns/{campaign['id']}"
    if stack.stack_dir is not None:
        stack.kill("scheduler-1")  # it may be the leader

    async def status() -> Any:
        return (await anna.ask("GET", path)).body["status"]

    await becomes(status, "completed", within=90)
    items = (await anna.ask("GET", f"{path}/deliveries?limit=200")).body["items"]
    assert Counter(item["contact_phone"] for item in items) == Counter(phones)
    for phone in phones[::8]:
        assert [message["body"] for message in await anna.messages(phone)] == [f"Hello {phone}"]
    if stack.stack_dir is not None:
        assert await _sent(stack, campaign["id"]) == Counter(phones)


async def _sent(stack: RunningStack, campaign_id: str) -> Counter[str]:
    """Count the messages that the sandbox provider received, by phone."""
    import asyncpg

    conn = await asyncpg.connect(stack.environment("conversations")["DATABASE_URL"])
    try:
        rows = await conn.fetch(
            "select recipient from sandbox_messages s join deliveries d on d.id = s.idempotency_key "
            "where d.campaign_id = $1::uuid",
            campaign_id,
        )
    finally:
        await conn.close()
    return Counter(row["recipient"] for row in rows)


async def test_reminders_send_exactly_once(stack: RunningStack, anna: User) -> None:
    leads = [f"lead-{n}" for n in range(30)]
    due = in_seconds(4)
    async with listening(anna, 0, ["websocket"]) as listener:
        await asyncio.gather(
            *(anna.make("/reminders", {"lead_id": lead, "note": "call", "remind_at": due}) for lead in leads)
        )
        if stack.stack_dir is not None:
            stack.kill("scheduler-2")
        expected = Counter(f"Reminder: {lead}" for lead in leads)

        def heard() -> Counter[str]:
            return titles(listener.of("notification.created"))

        await becomes(heard, expected, within=60)
    kept = (await anna.ask("GET", "/notifications?limit=200")).body["items"]
    assert titles(kept) == expected


def titles(notifications: list[dict[str, Any]]) -> Counter[str]:
    """Count the titles, ignoring "(late)": another scheduler may have to take over first."""
    return Counter(notification["title"].removesuffix(" (late)") for notification in notifications)


async def test_health_checks_pass_on_all_instances(stack: RunningStack) -> None:
    async with aiohttp.ClientSession() as http:

        async def all_healthy_at_gateways() -> bool:
            return all([await _gateway_is_healthy(http, gateway) for gateway in stack.gateways])

        async def all_healthy_directly() -> bool:
            return all(
                [
                    await _instance_is_healthy(http, row)
                    for row in stack.instances()
                    if row.instance.endswith(("-1", "-2"))
                ]
            )

        await until(all_healthy_at_gateways, within=60)  # an earlier test may have killed a process
        if stack.stack_dir is not None:
            await until(all_healthy_directly, within=60)


async def _instance_is_healthy(http: aiohttp.ClientSession, row: StatusRow) -> bool:
    """Check the report of one instance."""
    try:
        async with http.get(f"http://127.0.0.1:{row.port}/health") as answer:
            report = await answer.json()
    except aiohttp.ClientError as error:
        raise AssertionError(f"{row.instance}: {error!r}") from error
    assert (answer.status, report["status"], report["instance"]) == (200, "ok", row.instance)
    assert report["uptime"] > 0
    assert set(report["checks"].values()) <= {"ok"}
    return True


async def _gateway_is_healthy(http: aiohttp.ClientSession, gateway: str) -> bool:
    """Check a gateway's report: every instance of every service is healthy, and each service has several."""
    async with http.get(f"{gateway}/health") as answer:
        report = await answer.json()
        assert (answer.status, report["status"]) == (200, "ok"), report
    for name in ("auth", "files", "conversations", "scheduler", "realtime"):
        instances = report["services"][name]
        assert all(instance["status"] == "ok" for instance in instances), instances  # one that is down has no name
        assert len({instance["instance"] for instance in instances}) >= 2, instances
    return True
