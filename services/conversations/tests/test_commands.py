"""Operator commands of conversations."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from conversations.commands import app

from .client import ANNA, BEN, PHONE, STRANGER, TENANT, ConversationsClient, open_client

T = TypeVar("T")
TEXT = '[{"role": "user", "content": "hi", "timestamp": 1709283600}, {"role": "assistant", "text": "hello"}]'


@pytest.fixture
def url(database_url: Callable[[str], str]) -> str:
    return database_url("conversations")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "cuid-anna/14155550100.json": TEXT,
        "cuid-anna/+14155550100.json": TEXT.replace("hi", "hi again"),
        f"{BEN.user_id}/07911123456.json": TEXT,
        f"{BEN.user_id}/447911123457.json": "[{]",
    }.items():
        (tmp_path / "old" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / name).write_text(text)
    (tmp_path / "users.csv").write_text(f"old,new\ncuid-anna,{ANNA.user_id}\n")
    return tmp_path


def test_conversations_are_migrated_verified_and_exported(url: str, folder: Path) -> None:
    _with_client(url, lambda client: client.given_users())
    migrate = ["migrate-conversations", "--from", str(folder / "old"), "--tenant", str(TENANT)]
    migrate += ["--user-map", str(folder / "users.csv"), "--default-region", "GB"]

    dry = _run(url, *migrate, "--dry-run")
    assert (dry.exit_code, _count(url, "messages")) == (1, 0)
    assert "6 messages would be added" in dry.output

    done = _run(url, *migrate, "--verify")
    assert "447911123457.json" in done.output  # listed with its reason, and the others were imported
    assert "message 0 is not JSON" in " ".join(done.output.split())
    assert "6 equal, 0 cleared since, 0 wrong" in done.output
    assert (done.exit_code, _count(url, "messages")) == (1, 6)
    (folder / f"old/{BEN.user_id}/447911123457.json").write_text("[]")
    again = _run(url, *migrate, "--verify")
    assert (again.exit_code, _count(url, "messages")) == (0, 6)

    out = _run(url, "export-conversations", "--to", str(folder / "new"), "--tenant", str(TENANT))
    assert (out.exit_code, _contents(folder / "new")) == (0, _contents(folder / "old"))


def test_phones_without_a_country_code_get_the_given_region(url: str, folder: Path) -> None:
    _with_client(url, lambda client: client.given_users())
    migrate = ["migrate-conversations", "--from", str(folder / "old"), "--tenant", str(TENANT)]

    _run(url, *migrate, "--default-region", "GB")

    assert _fetch(url, "select contact_phone from conversations") == [
        ("+447911123456",)
    ]  # without a map Anna's are left out
    assert _run(url, *migrate, "--default-region", "XX").exit_code == 2


def test_contacts_are_imported_and_rejected_lines_are_listed(url: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("phone,name,tags\n415-555-0100,Priya [vip],a;b\nnonsense,X,\n+442071838750,Y,a\n")
    words = ["--tenant", str(TENANT)]

    done = _run(url, "contacts", "import", str(tmp_path / "in.csv"), *words)
    out = _run(url, "contacts", "export", str(tmp_path / "out.csv"), *words, "--tag", "b")

    assert (done.exit_code, out.exit_code) == (0, 0)
    assert "line 3: 'nonsense' is not a phone number" in done.output
    assert "2 created, 0 updated, 0 unchanged, 1 rejected" in done.output
    assert (tmp_path / "out.csv").read_text().split() == [
        "phone,name,tags,owner_id,opted_out", f"{PHONE},Priya", "[vip],a;b,,false",
    ]  # fmt: skip
    (tmp_path / "in.csv").write_text("name\nX\n")
    assert _run(url, "contacts", "import", str(tmp_path / "in.csv"), *words).exit_code == 2


def test_an_unavailable_database_ends_a_command_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()

    result = _run(
        "postgresql://x@127.0.0.1:9/x", "migrate-conversations", "--from", str(tmp_path), "--tenant", str(TENANT)
    )

    assert result.exit_code == 1
    assert result.stderr.startswith("the database is unavailable: ")
    assert len(result.stderr.splitlines()) == 1


def test_uncertain_deliveries_are_listed_and_resolved(url: str) -> None:
    async def given(client: ConversationsClient) -> list[str]:
        for caller, phone in ((ANNA, PHONE), (ANNA, "+14155550101"), (STRANGER, PHONE)):
            await client.say(caller, phone, "hello")
        await client.fetch("update deliveries set status = 'uncertain', settled_at = now(), reason = 'cut'")
        return [str(row["id"]) for row in await client.fetch("select id from deliveries order by id")]

    first, second, foreign = _with_client(url, given)

    listed = json.dumps(_run(url, "deliveries", "list", "--tenant", str(TENANT)).output)
    assert [one[:8] in listed for one in (first, second)] == [True, True]
    assert _run(url, "deliveries", "resolve", first, "--as", "failed").exit_code == 0
    assert _run(url, "deliveries", "resolve", first, second, "--as", "resend").exit_code == 1  # one was settled
    assert _run(url, "deliveries", "resolve", foreign, "--as", "sent").exit_code == 0

    assert _fetch(url, "select status from deliveries order by id") == [("failed",), ("pending",), ("sent",)]
    assert _fetch(url, "select status from messages order by id") == [("failed",), ("queued",), ("sent",)]


def _run(url: str, *words: str) -> Result:
    result = CliRunner().invoke(app, list(words), env={"DATABASE_URL": url, "COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _with_client(url: str, act: Callable[[ConversationsClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_client(url) as client:
            return await act(client)

    return asyncio.run(run())


def _fetch(url: str, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in _with_client(url, lambda client: client.fetch(sql))]


def _count(url: str, table: str) -> int:
    return int(_fetch(url, f"select count(*) from {table}")[0][0])


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.json")}
