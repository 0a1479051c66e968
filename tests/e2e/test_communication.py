"""Webhooks, contact imports and campaigns through the gateways."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .client import User, listening

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(120)]

PHONE, SENDER = "+14155550100", "+15005550006"


async def test_a_signed_webhook_has_one_effect_at_either_gateway(stack: RunningStack, anna: User) -> None:
    channel = await anna.make("/channels", _twilio())
    path = channel["webhook"].partition("/api/v1")[2]
    form = {"MessageSid": "SM1", "From": PHONE, "To": SENDER, "Body": "Is it still free? ☀ a+b=c&d"}
    signed = _signature(channel["webhook"], form)

    async with listening(anna, 1, ["websocket"]) as listener:
        # The answer is 503 until the new tenant is known everywhere; the provider retries.
        await until(partial(_is_taken, anna, path, form, signed), within=30)
        answers = [await _hook(anna, gateway, path, form, signed) for gateway in (0, 1)]
        await until(lambda: listener.of("conversation.message_appended"))

    assert answers == [200, 200]
    assert [(one["direction"], one["body"]) for one in await anna.messages(PHONE)] == [("in", form["Body"])]
    assert [event["message"]["body"] for event in listener.of("conversation.message_appended")] == [form["Body"]]
    assert await _hook(anna, 0, path, form, "bm9uZQ==") == 403
    assert await _hook(anna, 0, path + "x", form, signed) == 404


async def test_imported_contacts_get_a_campaign_unless_they_opted_out(stack: RunningStack, anna: User) -> None:
    lines = "".join(f"+1415777{n:04},Contact {n},spring\n" for n in range(1, 301))
    imported = await _upload(anna, f"phone,name,tags\n{lines}no phone,,spring\n")
    assert (imported["created"], imported["updated"], imported["unchanged"]) == (300, 0, 0)
    assert imported["rejected"] == [{"line": 302, "reason": "'no phone' is not a phone number"}]
    report = (await anna.ask("GET", f"/contacts/imports/{imported['id']}")).body
    assert (report["created"], report["rejected"], report["failure"]) == (300, 1, None)
    (one,) = (await anna.ask("GET", "/contacts?q=%2B14157770007")).body["items"]
    await anna.ask("PATCH", f"/contacts/{one['id']}", {"opted_out": True})

    campaign = await anna.make(
        "/campaigns",
        {
            "name": "Spring",
            "template": "Hello {{name}}",
            "audience": {"tags": ["spring"]},
            "send_at": datetime.now(UTC).isoformat(),
        },
    )
    path = f"/campaigns/{campaign['id']}"
    await until(lambda: _is_completed(anna, path), within=90)

    counts = (await anna.ask("GET", path)).body["counts"]
    assert (counts["total"], counts["skipped"], counts["failed"], counts["uncertain"]) == (300, 1, 0, 0)
    _, text = await _csv(anna, f"{path}/deliveries")
    assert text.count("\r\n") == 301
    assert [line.split(",")[:3] for line in text.splitlines() if "opted_out" in line] == [
        ["+14157770007", "skipped", "opted_out"]
    ]
    assert [message["body"] for message in await anna.messages("+14157770001")] == ["Hello Contact 1"]


def _twilio() -> dict[str, Any]:
    credentials = {"account_sid": "AC7", "auth_token": "token"}
    return {"provider": "twilio", "number": SENDER, "credentials": credentials}


def _signature(url: str, form: dict[str, str]) -> str:
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(b"token", text.encode(), hashlib.sha1).digest()).decode()


async def _hook(user: User, gateway: int, path: str, form: dict[str, str], signed: str) -> int:
    url = f"{user.gateways[gateway]}/api/v1{path}"
    async with user.http.post(url, data=form, headers={"X-Twilio-Signature": signed}) as answer:
        return answer.status


async def _is_taken(user: User, path: str, form: dict[str, str], signed: str) -> bool:
    return await _hook(user, 0, path, form, signed) == 200


async def _upload(user: User, text: str) -> Any:
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "text/csv"}
    async with user.http.post(f"{user.gateways[0]}/api/v1/contacts/import", data=text, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _csv(user: User, path: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {user.token}", "Accept": "text/csv"}
    async with user.http.get(f"{user.gateways[1]}/api/v1{path}", headers=headers) as answer:
        return answer.status, (await answer.read()).decode()


async def _is_completed(user: User, path: str) -> bool:
    return bool((await user.ask("GET", path)).body["status"] == "completed")
