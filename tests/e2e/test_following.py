"""A message is followed by the logs from the gateway to the socket, by the lines that the guide shows."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from switchboard.local.stack_directory import REPOSITORY
from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .client import User, listening

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

PHONE = "+14155550142"
STEPS = {"request", "committed", "published", "handled", "sent", "reported", "pushed"}


def guide(log: Path) -> str:
    """The lines of the guide, for the logs of this stack."""
    text = (REPOSITORY / "docs" / "operating.md").read_text()
    found = re.search(r"^```\n(ID=.*?)^```", text.partition("## Following a message")[2], re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1].replace(".local/run/log", str(log))


def follow(stack: RunningStack, some_id: str) -> list[dict[str, Any]]:
    script = guide(stack.logs()).replace("<request, message or event id>", some_id)
    shown = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=60)
    assert shown.returncode in (0, 141), shown.stderr  # 141: `head` has read enough
    return [json.loads(line) for line in shown.stdout.splitlines()]


async def test_the_guide_follows_a_message_from_the_gateway_to_the_socket(stack: RunningStack, anna: User) -> None:
    request_id = uuid4().hex
    async with listening(anna, 1, ["websocket"]) as listener:
        headers = {"Authorization": f"Bearer {anna.token}", "X-Request-Id": request_id}
        url = f"{anna.gateways[0]}/api/v1/conversations/{PHONE}/messages"
        async with anna.http.post(url, json={"body": "Where are you?"}, headers=headers) as answer:
            message_id = (await answer.json())["id"]

        def delivered() -> bool:
            return any(event["status"] == "delivered" for event in listener.of("message.status_changed"))

        await until(delivered, within=60)

    async def logged() -> bool:
        return {line["event"] for line in follow(stack, request_id)} >= STEPS

    await until(logged, within=30)
    lines = follow(stack, request_id)
    assert {line["trace_id"] for line in lines} == {lines[0]["trace_id"]}
    assert {line["service"] for line in lines} == {"api-gateway", "conversations", "realtime"}
    of_message = {line["event"] for line in lines if line.get("message_id") == message_id}
    assert of_message >= {"committed", "published", "handled", "sent", "reported"}
    pushed = {line["type"] for line in lines if line["event"] == "pushed"}
    assert pushed >= {"conversation.message_appended", "message.status_changed"}
    committed = {line["event_id"] for line in lines if line["event"] == "committed"}
    later = [line for line in lines if line["event"] in ("published", "pushed")]
    assert {line["event_id"] for line in later if line["type"] != "contact.created"} <= committed
    assert follow(stack, message_id)[0]["trace_id"] == lines[0]["trace_id"]


async def test_every_line_of_the_services_is_json(stack: RunningStack, anna: User) -> None:
    await anna.say(PHONE, "to have something logged")

    for row in stack.instances():
        if row.service not in ("postgres", "rabbitmq", "redis", "store"):
            for line in stack.log(row.instance).splitlines():
                assert json.loads(line)["event"], line
