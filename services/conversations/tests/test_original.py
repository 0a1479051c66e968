"""The original's files: in, out, and in again."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from conversations.legacy import exporting, files, importing, messages, verifying
from conversations.legacy import store as imports
from conversations.legacy.folder import Names, group_files, list_files

from .world import ANNA, BEN, PHONE, TENANT, World

NAMES = Names({"cuid-anna": ANNA.user_id}, frozenset({ANNA.user_id, BEN.user_id}), "US")

PRETTY = """[
  {
    "role": "user",
    "content": "Is the house on Elm Street still free? \\u2600 ☀",
    "timestamp": "2024-03-01T09:00:00.000Z",
    "sentiment": 0.10,
    "id": 12345678901234567890123
  },
  {
    "timestamp": 1709283900000,
    "role": "assistant",
    "content": "It is! \\ud83d",
    "meta": {"b": 1, "a": [1, 2.0]}
  }
]
"""
COMPACT = (
    '[{"direction":"inbound","body":"hi","timestamp":"2024-03-01T10:00:00Z"},'
    ' {"direction":"outbound","text":"hello","timestamp":"2024-03-01T08:00:00Z"}]'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "cuid-anna/4155550100.json": PRETTY,
        "cuid-anna/+1 (415) 555-0100.json": COMPACT,
        f"{BEN.user_id}/447911123456.json": COMPACT,
        f"{BEN.user_id}/15550001.json": "[]",
    }.items():
        _write(tmp_path / name, text)
    return tmp_path


async def test_files_come_in_once_however_often_they_are_read(world: World, folder: Path) -> None:
    first = await _import(world, folder)
    again = await _import(world, folder)

    assert (first.added, first.known) == (6, 0)
    assert (again.added, again.known) == (0, 6)
    assert [broken.file for broken in again.broken] == [f"{BEN.user_id}/15550001.json"]
    assert len(await world.texts(BEN, "+447911123456")) == 2
    verdict = await _verify(world, folder)
    assert (verdict.equal, verdict.wrong) == (6, [])


async def test_files_of_one_phone_become_one_conversation_by_time(world: World, folder: Path) -> None:
    await _import(world, folder)

    told = await world.texts(ANNA, PHONE)

    assert [text.split()[0] for _, text in told] == ["hello", "Is", "It", "hi"]
    listed = await world.call(ANNA, "GET", f"/conversations/{PHONE}/messages")
    second = listed.body["items"][1]
    assert (second["direction"], second["status"]) == ("in", "received")
    assert second["created_at"] == "2024-03-01T09:00:00Z"
    assert second["metadata"]["sentiment"] == 0.1


async def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(world: World, folder: Path) -> None:
    _write(folder / "cuid-anna/14155550111.json", PRETTY[:200])
    _write(folder / "cuid-anna/14155550112.json", '{"not": "an array"}')
    _write(folder / "cuid-anna/14155550113.json", '[{"role": "martian", "content": "x"}]')
    _write(folder / "cuid-anna/not-a-phone.json", COMPACT)
    _write(folder / "nobody/14155550114.json", COMPACT)

    tally = await _import(world, folder)

    assert tally.added == 6
    assert {broken.file.split("/")[1]: broken.reason.split(":")[0] for broken in tally.broken} == {
        "14155550111.json": "message 1 is not JSON",
        "14155550112.json": "not a JSON array of messages",
        "14155550113.json": "message 0",
        "not-a-phone.json": "'not-a-phone' is not a phone number",
        "14155550114.json": "user 'nobody' is not in the user map",
        "15550001.json": "'15550001' is too short or too long for a phone number",
    }


async def test_a_run_again_never_touches_newer_messages(world: World, folder: Path) -> None:
    await _import(world, folder)
    await world.say(ANNA, PHONE, "written since")
    _write(folder / "cuid-anna/4155550100.json", PRETTY.replace("\n]", ',\n  {"role": "user", "content": "late"}\n]'))

    tally = await _import(world, folder)

    assert (tally.added, tally.known) == (1, 6)
    assert [text for _, text in await world.texts(ANNA, PHONE)][-2:] == ["written since", "late"]


async def test_what_was_cleared_does_not_come_back(world: World, folder: Path) -> None:
    await _import(world, folder)
    await world.call(ANNA, "DELETE", f"/conversations/{PHONE}")

    tally = await _import(world, folder)

    assert tally.added == 0
    assert await world.texts(ANNA, PHONE) == []
    assert (await _verify(world, folder)).cleared == 4


async def test_a_dry_run_counts_and_writes_nothing(world: World, folder: Path) -> None:
    tally = await _import(world, folder, dry=True)

    assert tally.added == 6
    assert await world.fetch("select from messages") == []
    assert await world.fetch("select from conversations") == []


async def test_an_export_gives_the_same_files_to_the_byte(world: World, folder: Path, tmp_path: Path) -> None:
    (folder / f"{BEN.user_id}/15550001.json").rename(folder / f"{BEN.user_id}/14155550177.json")
    await _import(world, folder)

    out = await _export(world, tmp_path / "out")

    assert _contents(out) == {name: text for name, text in _contents(folder).items() if not name.startswith("out/")}


async def test_messages_written_since_follow_in_the_files_own_style(world: World, folder: Path, tmp_path: Path) -> None:
    await _import(world, folder)
    await world.say(ANNA, PHONE, "written since")
    await world.say(BEN, "+447911123456", "since, too")
    await world.say(BEN, "+14155550123", "new")

    out = await _export(world, tmp_path / "out")

    compact = json.loads((out / "cuid-anna/+1 (415) 555-0100.json").read_text())
    assert compact[:2] == json.loads(COMPACT)
    assert (compact[2]["direction"], compact[2]["text"]) == ("outbound", "written since")
    assert (out / "cuid-anna/4155550100.json").read_text() == PRETTY
    new = json.loads((out / f"{BEN.user_id}/14155550123.json").read_text())
    assert (new[0]["role"], new[0]["content"]) == ("assistant", "new")


async def test_verifying_finds_what_was_changed_or_is_missing(world: World, folder: Path) -> None:
    await _import(world, folder)
    await world.fetch("update messages set body = 'forged' where body = 'hi' and seq = 4")
    _write(folder / f"{BEN.user_id}/14155550188.json", COMPACT)

    verdict = await _verify(world, folder)

    assert sorted((wrong.file.split("/")[1], wrong.reason) for wrong in verdict.wrong) == [
        ("+1 (415) 555-0100.json[0]", "its text or direction differs"),
        ("14155550188.json[0]", "not in the database"),
        ("14155550188.json[1]", "not in the database"),
    ]


@pytest.mark.parametrize(
    "text", ["[]", " [ ] \n", PRETTY, COMPACT, "\ufeff[{}]", "[{},{}\n,{} ]\r\n", '[\n\t{"a":\n1}\n]']
)
def test_a_file_is_written_as_it_was_read(text: str) -> None:
    parsed = files.parse(text.encode())

    assert files.write([element.text for element in parsed.elements], parsed.layout).decode() == text


@pytest.mark.parametrize("text", ["", "  ", "{}", "[", "[{}", "[{},]", "[{}{}]", "[1]", "[{}] x", "[{]", "[[]]"])
def test_what_is_no_array_of_messages_is_unreadable(text: str) -> None:
    with pytest.raises(files.Unreadable):
        files.parse(text.encode())


@pytest.mark.parametrize(
    "written", [1709283600, 1709283600000, "1709283600000", "2024-03-01T09:00:00Z", "2024-03-01T10:00:00+01:00"]
)
def test_times_are_read_in_every_form_the_original_wrote(written: object) -> None:
    assert messages.moment(written).isoformat() == "2024-03-01T09:00:00+00:00"


async def _import(world: World, folder: Path, *, dry: bool = False) -> importing.Tally:
    groups, broken = group_files(list_files(folder), NAMES)
    tally = importing.Tally(broken=broken)
    for group in groups:
        await importing.import_group(world.database, TENANT, group, tally, dry=dry)
    return tally


async def _verify(world: World, folder: Path) -> verifying.Verdict:
    groups, _ = group_files(list_files(folder), NAMES)
    verdict = verifying.Verdict()
    for group in groups:
        await verifying.verify_group(world.database, TENANT, group, verdict)
    return verdict


async def _export(world: World, into: Path) -> Path:
    async with world.database.connection() as conn:
        folders: dict[UUID, str] = await imports.list_folders(conn, TENANT)
        conversations = [found async for found in imports.each_conversation(conn, TENANT)]
    for conversation in conversations:
        await exporting.export_conversation(world.database, TENANT, conversation, into, folders, exporting.Tally())
    return into


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in folder.rglob("*.json")}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
