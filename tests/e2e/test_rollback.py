"""Migrate the legacy platform's files, use the data in Switchboard, and export it back to legacy files."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from switchboard.testing.stack import RunningStack

from .client import User
from .operator_commands import operate

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

PHONE = "+14155550132"
OLD_USER = "clt3k9qzr0000mh08u1r2a9xj"
TOUCHED = f"{OLD_USER}/4155550132.json"
UNTOUCHED = f"{OLD_USER}/447911123456.json"
CONVERSATIONS = {
    TOUCHED: json.dumps(
        [
            {"role": "user", "content": "Is it free? ☀", "timestamp": "2024-03-01T09:00:00.000Z", "sentiment": 0.1},
            {"role": "assistant", "content": "It is!", "timestamp": "2024-03-01T09:05:00.000Z", "id": "m-2"},
        ],
        indent=2,
    ),
    UNTOUCHED: '[{"direction":"inbound","body":"hi","timestamp":1709283900000}]',
}


async def test_conversations_are_migrated_used_and_exported_again(
    stack: RunningStack, anna: User, tmp_path: Path
) -> None:
    me = (await anna.ask("GET", "/auth/me")).body
    old, back = tmp_path / "old", tmp_path / "back"
    for name, text in CONVERSATIONS.items():
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_text(text)
    users = tmp_path / "users.json"
    users.write_text(json.dumps({OLD_USER: me["user"]["id"]}))
    tenant, migration = ("--tenant", me["tenant"]["id"]), ("--user-map", users, "--verify")

    output = await operate(stack, "migrate-conversations", "--from", old, *tenant, *migration)
    assert "3 messages added" in output
    assert [message["body"] for message in await anna.messages(PHONE)] == ["Is it free? ☀", "It is!"]
    await anna.say(PHONE, "Shall we meet?")
    await anna.say("+14155550177", "A new one")
    output = await operate(stack, "migrate-conversations", "--from", old, *tenant, *migration)
    assert "0 messages added" in output
    await operate(stack, "export-conversations", "--to", back, *tenant)

    assert (back / UNTOUCHED).read_text() == CONVERSATIONS[UNTOUCHED]
    assert (back / TOUCHED).read_text().startswith(CONVERSATIONS[TOUCHED].rstrip("\n ]"))
    written: list[dict[str, Any]] = json.loads((back / TOUCHED).read_text())
    assert [(m["role"], m["content"]) for m in written] == [
        ("user", "Is it free? ☀"),
        ("assistant", "It is!"),
        ("assistant", "Shall we meet?"),
    ]
    [new] = json.loads((back / OLD_USER / "14155550177.json").read_text())
    assert "A new one" in new.values()
    assert len(list(back.rglob("*.json"))) == 3


async def test_documents_are_migrated_used_and_exported_again(stack: RunningStack, anna: User, tmp_path: Path) -> None:
    me = (await anna.ask("GET", "/auth/me")).body
    old, back = tmp_path / "documents", tmp_path / "back"
    old.mkdir()
    documents = {f"{uuid4()}-a plan.pdf": b"%PDF-1.4 " + bytes(5000), f"{uuid4()}-notes.txt": b"call back\n"}
    for name, content in documents.items():
        (old / name).write_bytes(content)
    first = next(iter(documents))
    belongs = tmp_path / "map.csv"
    belongs.write_text(f"{first},lead,L-7\n")
    tenant, user = ("--tenant", me["tenant"]["id"]), ("--user", me["user"]["id"])

    await operate(stack, "migrate-files", "--from", old, *tenant, *user, "--map", belongs, "--verify")
    [seen] = (await anna.ask("GET", "/files?entity_type=lead&entity_id=L-7")).body["items"]
    assert seen["sha256"] == hashlib.sha256(documents[first]).hexdigest()
    added = await anna.upload("offer.txt", b"Dear Acme\n", lead="L-8")
    output = await operate(stack, "migrate-files", "--from", old, *tenant, *user, "--map", belongs)
    assert "2 were there already" in output
    await operate(stack, "export-files", "--to", back, *tenant)

    expected = {**documents, f"{added['id']}-offer.txt": b"Dear Acme\n"}
    with (back / "map.csv").open(newline="") as lines:
        belongs_to = {row["path"]: (row["entity_type"], row["entity_id"]) for row in csv.DictReader(lines)}
    assert {f.name: f.read_bytes() for f in back.iterdir() if f.name != "map.csv"} == expected
    assert belongs_to[first] == ("lead", "L-7")
    assert belongs_to[f"{added['id']}-offer.txt"] == ("lead", "L-8")
