"""Writing, reading and clearing conversations."""

from __future__ import annotations

import asyncio
from uuid import UUID

from switchboard.contracts.conversations import (
    ConversationCleared,
    ConversationMessage,
    ConversationMessageAppended,
    ConversationRead,
)
from switchboard.contracts.files import FileDeleted, FileUploaded

from .world import ANNA, BEN, NOW, PHONE, STRANGER, World

MESSAGES = f"/conversations/{PHONE}/messages"


async def test_a_message_is_queued_and_told_of_in_the_same_transaction(world: World) -> None:
    answer = await world.call(ANNA, "POST", MESSAGES, {"body": 'He said "seq":-1, twice'})

    assert answer.status == 201
    assert (answer.body["seq"], answer.body["status"], answer.body["direction"]) == (1, "queued", "out")
    assert await world.published() == [
        ConversationMessageAppended(
            user_id=ANNA.user_id,
            contact_phone=PHONE,
            message=ConversationMessage.model_validate_json(_json(answer.body)),
        )
    ]
    waiting = await world.fetch("select message_id, seq, status, lane from deliveries")
    assert waiting == [{"message_id": UUID(answer.body["id"]), "seq": 1, "status": "pending", "lane": 0}]


async def test_messages_written_at_the_same_time_are_numbered_without_gaps_and_told_of_in_order(world: World) -> None:
    await asyncio.gather(*(world.say(ANNA, PHONE, f"message {n}") for n in range(40)))

    seqs = [seq for seq, _ in await world.texts(ANNA, PHONE, "?limit=200")]
    told = [event.message.seq for event in await world.published("conversation.message_appended")]  # type: ignore[attr-defined]
    assert seqs == list(range(1, 41))
    assert told == list(range(1, 41))


async def test_the_same_key_appends_once_and_answers_alike(world: World) -> None:
    first = await world.call(ANNA, "POST", MESSAGES, {"body": "once"}, key="k1")
    again = await world.call(ANNA, "POST", MESSAGES, {"body": "once"}, key="k1")
    other = await world.call(ANNA, "POST", MESSAGES, {"body": "else"}, key="k1")

    assert (again.status, again.body) == (201, first.body)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert await world.texts(ANNA, PHONE) == [(1, "once")]


async def test_every_spelling_of_a_phone_is_one_conversation(world: World) -> None:
    for spelling in ("+14155550100", "+1 (415) 555-0100", "415-555-0100", "1.415.555.0100"):
        await world.say(ANNA, spelling, spelling)

    assert len(await world.texts(ANNA, PHONE)) == 4
    refused = await world.call(ANNA, "POST", "/conversations/nobody/messages", {"body": "?"})
    assert (refused.status, refused.body["errors"][0]["loc"]) == (422, ["path", "phone"])


async def test_a_page_of_messages_is_the_newest_and_leads_to_older_ones(world: World) -> None:
    for n in range(1, 8):
        await world.say(ANNA, PHONE, f"m{n}")

    newest = await world.call(ANNA, "GET", f"{MESSAGES}?limit=3")
    older = await world.call(ANNA, "GET", f"{MESSAGES}?limit=3&before={newest.body['next_before']}")
    oldest = await world.call(ANNA, "GET", f"{MESSAGES}?limit=3&before={older.body['next_before']}")

    pages = [[item["seq"] for item in page.body["items"]] for page in (newest, older, oldest)]
    assert pages == [[5, 6, 7], [2, 3, 4], [1]]
    assert oldest.body["next_before"] is None
    assert await world.texts(ANNA, PHONE, "?after=5") == [(6, "m6"), (7, "m7")]


async def test_a_conversation_is_its_users_alone(world: World) -> None:
    await world.say(ANNA, PHONE, "mine")

    assert await world.texts(BEN, PHONE) == []
    assert await world.texts(STRANGER, PHONE) == []
    assert (await world.call(STRANGER, "GET", "/conversations")).body["items"] == []
    assert (await world.call(STRANGER, "POST", f"/conversations/{PHONE}/read", {"seq": 1})).status == 404
    assert (await world.call(STRANGER, "DELETE", f"/conversations/{PHONE}")).status == 204
    assert await world.texts(ANNA, PHONE) == [(1, "mine")]


async def test_nobody_is_served_without_an_identity(world: World) -> None:
    for method, path in (("GET", "/conversations"), ("GET", MESSAGES), ("GET", "/notifications")):
        assert (await world.call(None, method, path)).status == 401
    assert (await world.call(None, "POST", MESSAGES, {"body": "hello"})).status == 401


async def test_clearing_drops_the_messages_and_never_their_numbers(world: World) -> None:
    await world.say(ANNA, PHONE, "one")
    await world.say(ANNA, PHONE, "two")

    cleared = await world.call(ANNA, "DELETE", f"/conversations/{PHONE}")

    assert cleared.status == 204
    assert await world.texts(ANNA, PHONE) == []
    assert (await world.call(ANNA, "GET", "/conversations")).body["items"] == []
    assert await world.published("conversation.cleared") == [
        ConversationCleared(user_id=ANNA.user_id, contact_phone=PHONE, up_to_seq=2)
    ]
    assert (await world.say(ANNA, PHONE, "three"))["seq"] == 3


async def test_clearing_nothing_is_fine_and_says_nothing(world: World) -> None:
    assert (await world.call(ANNA, "DELETE", f"/conversations/{PHONE}")).status == 204
    assert await world.published() == []


async def test_reading_goes_forward_only_and_is_told_once(world: World) -> None:
    await world.say(ANNA, PHONE, "one")
    await world.say(ANNA, PHONE, "two")
    await world.fetch("update conversations set unread = 1, read_seq = 0")

    for seq in (2, 1, 99):
        assert (await world.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": seq})).status == 204

    assert await world.published("conversation.read") == [
        ConversationRead(user_id=ANNA.user_id, contact_phone=PHONE, seq=2)
    ]
    listed = await world.call(ANNA, "GET", "/conversations")
    assert listed.body["items"][0]["unread"] == 0


async def test_conversations_are_listed_newest_first_and_found_by_their_words(world: World) -> None:
    for n in range(5):
        await world.say(ANNA, f"+1415555010{n}", f"about the {['boat', 'car', 'house', 'dog', 'farm'][n]}")
    await world.say(ANNA, "+14155550101", "and the bicycle")

    first = await world.call(ANNA, "GET", "/conversations?limit=2")
    rest = await world.call(ANNA, "GET", f"/conversations?limit=9&cursor={first.body['next_cursor']}")
    found = await world.call(ANNA, "GET", "/conversations?q=car")
    by_phone = await world.call(ANNA, "GET", "/conversations?q=555-0103")

    phones = [item["contact_phone"][-1] for item in first.body["items"] + rest.body["items"]]
    assert phones == ["1", "4", "3", "2", "0"]
    assert first.body["items"][0]["last_message"]["body"] == "and the bicycle"
    assert [item["contact_phone"] for item in found.body["items"]] == ["+14155550101"]
    assert [item["contact_phone"] for item in by_phone.body["items"]] == ["+14155550103"]


async def test_metadata_is_kept_with_the_conversation_and_goes_with_it(world: World) -> None:
    path = f"/conversations/{PHONE}"
    assert (await world.call(ANNA, "PATCH", path, {"metadata": {"stage": "won"}})).status == 404
    await world.say(ANNA, PHONE, "hello")

    assert (await world.call(ANNA, "PATCH", path, {"metadata": {"stage": "won"}})).status == 204

    listed = await world.call(ANNA, "GET", "/conversations")
    assert listed.body["items"][0]["metadata"] == {"stage": "won"}


FILE = FileUploaded(
    id=UUID(int=55),
    name="a.pdf",
    key="documents/a.pdf",
    size=3,
    content_type="application/pdf",
    sha256="00",
    entity_type="lead",
    entity_id="1",
    uploaded_by=ANNA.user_id,
    created_at=NOW,
)
WITH_FILE = {"body": "see this", "attachments": [str(FILE.id)]}


async def test_a_file_can_be_attached_before_its_event_comes(world: World) -> None:
    world.files.known[ANNA.tenant_id, FILE.id] = FILE

    attached = await world.call(ANNA, "POST", MESSAGES, WITH_FILE)
    foreign = await world.call(STRANGER, "POST", MESSAGES, WITH_FILE)

    assert (attached.status, attached.body["attachments"]) == (201, [str(FILE.id)])
    assert (foreign.status, foreign.body["errors"][0]["loc"]) == (422, ["body", "attachments", 0])


async def test_what_files_would_have_to_say_is_not_guessed_while_it_is_away(world: World) -> None:
    await world.files.stop()

    unknown = await world.call(ANNA, "POST", MESSAGES, WITH_FILE)
    await world.deliver(FILE)
    known = await world.call(ANNA, "POST", MESSAGES, WITH_FILE)

    assert (unknown.status, unknown.body["code"], known.status) == (503, "unavailable", 201)
    assert await world.texts(ANNA, PHONE) == [(1, "see this")]


async def test_only_the_tenants_own_files_can_be_attached(world: World) -> None:
    await world.deliver(FILE)

    attached = await world.call(ANNA, "POST", MESSAGES, WITH_FILE)
    foreign = await world.call(STRANGER, "POST", MESSAGES, WITH_FILE)
    await world.deliver(FileDeleted(**FILE.model_dump()))
    deleted = await world.call(ANNA, "POST", MESSAGES, WITH_FILE)

    assert (attached.status, attached.body["attachments"]) == (201, [str(FILE.id)])
    assert (foreign.status, foreign.body["errors"][0]["loc"]) == (422, ["body", "attachments", 0])
    assert deleted.status == 422


def _json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value)
