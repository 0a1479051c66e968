"""Legacy files: import, export and verification."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from conversations.legacy import exporting, importing, store, verifying
from conversations.legacy.folder import Names, group_files, list_files

from .client import ANNA, BEN, PHONE, TENANT, ConversationsClient
from .legacy_samples import COMPACT, PRETTY

NAMES = Names({"cuid-anna": ANNA.user_id}, frozenset({ANNA.user_id, BEN.user_id}), "US")


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


async def test_files_are_imported_once_however_often_they_are_read(client: ConversationsClient, folder: Path) -> None:
    first = await _import(client, folder)
    again = await _import(client, folder)

    assert (first.added, first.known) == (6, 0)
    assert (again.added, again.known) == (0, 6)
    assert [broken.file for broken in again.broken] == [f"{BEN.user_id}/15550001.json"]
    assert len(await client.texts(BEN, "+447911123456")) == 2
    report = await _verify(client, folder)
    assert (report.equal, report.wrong) == (6, [])


async def test_files_of_one_phone_become_one_conversation_sorted_by_time(
    client: ConversationsClient, folder: Path
) -> None:
    await _import(client, folder)

    texts = await client.texts(ANNA, PHONE)

    assert [text.split()[0] for _, text in texts] == ["hello", "Is", "It", "hi"]
    listed = await client.call(ANNA, "GET", f"/conversations/{PHONE}/messages")
    second = listed.body["items"][1]
    assert (second["direction"], second["status"]) == ("in", "received")
    assert second["created_at"] == "2024-03-01T09:00:00Z"
    assert second["metadata"]["sentiment"] == 0.1


async def test_unreadable_files_are_listed_and_the_others_imported(client: ConversationsClient, folder: Path) -> None:
    _write(folder / "cuid-anna/14155550111.json", PRETTY[:200])
    _write(folder / "cuid-anna/14155550112.json", '{"not": "an array"}')
    _write(folder / "cuid-anna/14155550113.json", '[{"role": "martian", "content": "x"}]')
    _write(folder / "cuid-anna/not-a-phone.json", COMPACT)
    _write(folder / "unknown/14155550114.json", COMPACT)

    report = await _import(client, folder)

    assert report.added == 6
    assert {broken.file.split("/")[1]: broken.reason.split(":")[0] for broken in report.broken} == {
        "14155550111.json": "message 1 is not JSON",
        "14155550112.json": "not a JSON array of messages",
        "14155550113.json[0]": "unknown role 'martian'",
        "not-a-phone.json": "'not-a-phone' is not a phone number",
        "14155550114.json": "user 'unknown' is not in the user map",
        "15550001.json": "'15550001' is too short or too long for a phone number",
    }


async def test_a_repeated_import_never_changes_newer_messages(client: ConversationsClient, folder: Path) -> None:
    await _import(client, folder)
    await client.say(ANNA, PHONE, "written since")
    _write(folder / "cuid-anna/4155550100.json", PRETTY.replace("\n]", ',\n  {"role": "user", "content": "late"}\n]'))

    report = await _import(client, folder)

    assert (report.added, report.known) == (1, 6)
    assert [text for _, text in await client.texts(ANNA, PHONE)][-2:] == ["written since", "late"]


async def test_cleared_messages_are_not_imported_again(client: ConversationsClient, folder: Path) -> None:
    await _import(client, folder)
    await client.call(ANNA, "DELETE", f"/conversations/{PHONE}")

    report = await _import(client, folder)

    assert report.added == 0
    assert await client.texts(ANNA, PHONE) == []
    assert (await _verify(client, folder)).cleared == 4


async def test_a_dry_run_counts_and_writes_nothing(client: ConversationsClient, folder: Path) -> None:
    report = await _import(client, folder, dry=True)

    assert report.added == 6
    assert await client.fetch("select from messages") == []
    assert await client.fetch("select from conversations") == []


async def test_an_export_writes_the_same_bytes(client: ConversationsClient, folder: Path, tmp_path: Path) -> None:
    (folder / f"{BEN.user_id}/15550001.json").rename(folder / f"{BEN.user_id}/14155550177.json")
    await _import(client, folder)

    out = await _export(client, tmp_path / "out")

    assert _contents(out) == {name: text for name, text in _contents(folder).items() if not name.startswith("out/")}


async def test_newer_messages_are_exported_in_the_style_of_their_file(
    client: ConversationsClient, folder: Path, tmp_path: Path
) -> None:
    await _import(client, folder)
    await client.say(ANNA, PHONE, "written since")
    await client.say(BEN, "+447911123456", "since, too")
    await client.say(BEN, "+14155550123", "new")
    note = {"body": "a note", "channel": "note"}
    await client.call(ANNA, "POST", f"/conversations/{PHONE}/messages", note)

    out = await _export(client, tmp_path / "out")

    compact = json.loads((out / "cuid-anna/+1 (415) 555-0100.json").read_text())
    assert compact[:2] == json.loads(COMPACT)
    assert [(each["direction"], each["text"]) for each in compact[2:]] == [("outbound", "written since")]
    assert (out / "cuid-anna/4155550100.json").read_text() == PRETTY
    new = json.loads((out / f"{BEN.user_id}/14155550123.json").read_text())
    assert (new[0]["role"], new[0]["content"]) == ("assistant", "new")


async def test_verification_finds_changed_and_missing_messages(client: ConversationsClient, folder: Path) -> None:
    await _import(client, folder)
    await client.fetch("update messages set body = 'forged' where body = 'hi' and seq = 4")
    _write(folder / f"{BEN.user_id}/14155550188.json", COMPACT)

    report = await _verify(client, folder)

    assert sorted((wrong.file.split("/")[1], wrong.reason) for wrong in report.wrong) == [
        ("+1 (415) 555-0100.json[0]", "its text or direction differs"),
        ("14155550188.json[0]", "not in the database"),
        ("14155550188.json[1]", "not in the database"),
    ]


async def _import(client: ConversationsClient, folder: Path, *, dry: bool = False) -> importing.ImportReport:
    groups, broken = group_files(list_files(folder), NAMES)
    report = importing.ImportReport(broken=broken)
    for group in groups:
        await importing.import_group(client.database, TENANT, group, report, dry=dry)
    return report


async def _verify(client: ConversationsClient, folder: Path) -> verifying.VerifyReport:
    groups, _ = group_files(list_files(folder), NAMES)
    report = verifying.VerifyReport()
    for group in groups:
        await verifying.verify_group(client.database, TENANT, group, report)
    return report


async def _export(client: ConversationsClient, into: Path) -> Path:
    async with client.database.connection() as conn:
        folders: dict[UUID, str] = await store.list_folders(conn, TENANT)
        conversations = [found async for found in store.each_conversation(conn, TENANT)]
    for conversation in conversations:
        await exporting.export_conversation(
            client.database, TENANT, conversation, into, folders, exporting.ExportReport()
        )
    return into


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in folder.rglob("*.json")}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def _numbered(numbers: range) -> str:
    return json.dumps([{"role": "user", "content": f"m{n}", "timestamp": 1709283600 + n} for n in numbers])


async def test_a_file_that_lost_its_oldest_messages_doubles_none(client: ConversationsClient, folder: Path) -> None:
    file = folder / "cuid-anna/14155550120.json"
    for numbers in (range(1000), range(200, 1200), range(250, 1260), range(900, 1260)):
        _write(file, _numbered(numbers))
        await _import(client, folder)

    assert [text for _, text in await client.texts(ANNA, "+14155550120")] == [f"m{n}" for n in range(1210, 1260)]
    counted = await client.fetch("select count(*) as n, count(distinct body) as d from messages where body like 'm%'")
    assert counted == [{"n": 1260, "d": 1260}]
    report = await _verify(client, folder)
    assert report.wrong == []


async def test_equal_messages_are_as_many_as_they_are(client: ConversationsClient, folder: Path) -> None:
    ok, yes = {"role": "user", "content": "ok"}, {"role": "user", "content": "yes"}
    file = folder / "cuid-anna/14155550121.json"
    for messages in ([ok, ok, yes], [ok, yes, ok], [yes, ok, ok, yes]):
        _write(file, json.dumps(messages))
        await _import(client, folder)

    assert [text for _, text in await client.texts(ANNA, "+14155550121")] == ["ok", "ok", "yes", "ok", "ok", "yes"]


async def test_a_message_written_anew_is_recognised(client: ConversationsClient, folder: Path) -> None:
    file = folder / "cuid-anna/14155550122.json"
    sent = {"role": "assistant", "content": "hi", "timestamp": 1709283600, "status": "sent"}
    for message, indent in ((sent, None), ({**sent, "status": "read"}, 2)):
        _write(file, json.dumps([message], indent=indent))
        await _import(client, folder)

    assert [text for _, text in await client.texts(ANNA, "+14155550122")] == ["hi"]


async def test_one_bad_message_leaves_the_others_in(client: ConversationsClient, folder: Path) -> None:
    good = [{"role": "user", "content": f"m{n}"} for n in range(3)]
    odd = [{"role": "tool", "content": "x"}, {"role": "user", "content": "x", "timestamp": "soon"}, None, 5]
    _write(
        folder / "cuid-anna/14155550123.JSON", json.dumps([good[0], odd[0], odd[1], good[1], odd[2], odd[3], good[2]])
    )

    report = await _import(client, folder)

    assert [text for _, text in await client.texts(ANNA, "+14155550123")] == ["m0", "m1", "m2"]
    left_out = {one.file: one.reason for one in report.broken if "14155550123" in one.file}
    assert left_out == {
        "cuid-anna/14155550123.JSON[1]": "unknown role 'tool'",
        "cuid-anna/14155550123.JSON[2]": "timestamp 'soon' is not a time",
        "cuid-anna/14155550123.JSON[4]": "not an object",
        "cuid-anna/14155550123.JSON[5]": "not an object",
    }


async def test_a_text_in_parts_is_read_and_verified(client: ConversationsClient, folder: Path) -> None:
    parts = [{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {"url": "x"}}, "and more"]
    messages = [{"role": "user", "content": parts}, {"role": "user", "content": [{"type": "text", "text": "alone"}]}]
    _write(folder / "cuid-anna/14155550124.json", json.dumps(messages))

    await _import(client, folder)

    listed = await client.call(ANNA, "GET", "/conversations/+14155550124/messages")
    assert [item["body"] for item in listed.body["items"]] == ["Hello\nand more", "alone"]
    assert listed.body["items"][0]["metadata"]["content"] == parts
    assert (await _verify(client, folder)).wrong == []
    await client.fetch("update messages set body = '' where body = 'alone'")
    assert len((await _verify(client, folder)).wrong) == 1
