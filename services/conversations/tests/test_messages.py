"""Writing, reading and clearing conversations."""

import asyncio
from uuid import UUID

import orjson
import pytest

from switchboard.contracts.conversations import (
    ConversationCleared,
    ConversationMessage,
    ConversationMessageAppended,
    ConversationRead,
)
from switchboard.contracts.files import FileDeleted, FileUploaded
from switchboard.http.paging import encode_cursor
from switchboard.testing.app import identity_headers

from .client import ANNA, BEN, NOW, PHONE, STRANGER, ConversationsClient

MESSAGES = f"/conversations/{PHONE}/messages"


async def test_a_message_and_its_event_are_stored_in_one_transaction(client: ConversationsClient) -> None:
    answer = await client.call(ANNA, "POST", MESSAGES, {"body": 'He said "seq":-1, twice'})

    assert answer.status == 201
    assert (answer.body["seq"], answer.body["status"], answer.body["direction"]) == (1, "queued", "out")
    assert await client.published("conversation.message_appended") == [
        ConversationMessageAppended(
            user_id=ANNA.user_id,
            contact_phone=PHONE,
            message=ConversationMessage.model_validate_json(orjson.dumps(answer.body)),
        )
    ]
    waiting = await client.fetch("select message_id, seq, status, lane from deliveries")
    assert waiting == [{"message_id": UUID(answer.body["id"]), "seq": 1, "status": "pending", "lane": 0}]


async def test_concurrent_messages_are_numbered_without_gaps_and_in_order(
    client: ConversationsClient,
) -> None:
    await asyncio.gather(*(client.say(ANNA, PHONE, f"message {n}") for n in range(40)))

    seqs = [seq for seq, _ in await client.texts(ANNA, PHONE, "?limit=200")]
    seqs_of_events = [event.message.seq for event in await client.published("conversation.message_appended")]  # type: ignore[attr-defined]
    assert seqs == list(range(1, 41))
    assert seqs_of_events == list(range(1, 41))


async def test_an_idempotency_key_appends_once_and_repeats_the_answer(client: ConversationsClient) -> None:
    first = await client.call(ANNA, "POST", MESSAGES, {"body": "once"}, key="k1")
    again = await client.call(ANNA, "POST", MESSAGES, {"body": "once"}, key="k1")
    other = await client.call(ANNA, "POST", MESSAGES, {"body": "else"}, key="k1")

    assert (again.status, again.body) == (201, first.body)
    assert (other.status, other.body["code"]) == (409, "idempotency_conflict")
    assert await client.texts(ANNA, PHONE) == [(1, "once")]


async def test_concurrent_requests_with_one_key_append_once(client: ConversationsClient) -> None:
    answers = await asyncio.gather(
        *(client.call(ANNA, "POST", MESSAGES, {"body": "once"}, key="k1") for _ in range(10)),
        *(client.call(ANNA, "POST", MESSAGES, {"body": f"{n}"}, key=f"other-{n}") for n in range(10)),
    )

    once = [answer for answer in answers[:10] if answer.status == 201]
    assert len({answer.body["id"] for answer in once}) == 1
    assert {answer.body["code"] for answer in answers[:10] if answer.status != 201} <= {"in_progress"}
    assert [answer.status for answer in answers[10:]] == [201] * 10
    assert sorted(text for _, text in await client.texts(ANNA, PHONE)) == sorted([*map(str, range(10)), "once"])


async def test_a_bad_message_harms_no_other_of_its_statement(client: ConversationsClient) -> None:
    await client.say(STRANGER, PHONE, "theirs")
    await client.fetch("update conversations set user_id = $1", BEN.user_id)

    refused, *taken = await asyncio.gather(
        client.call(BEN, "POST", MESSAGES, {"body": "not in my tenant"}),
        *(client.call(ANNA, "POST", MESSAGES, {"body": f"{n}"}) for n in range(5)),
    )

    assert refused.status == 500
    assert [answer.status for answer in taken] == [201] * 5
    assert len(await client.texts(ANNA, PHONE)) == 5


async def test_a_note_is_stored_and_heard_and_never_sent(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "hello")
    before = await client.fetch("select wrote_at, unread from conversations")

    answer = await client.call(ANNA, "POST", MESSAGES, {"body": "wants a discount", "channel": "note"})

    assert (answer.status, answer.body["status"], answer.body["direction"]) == (201, "received", "out")
    assert len(await client.fetch("select from deliveries")) == 1
    assert await client.fetch("select wrote_at, unread from conversations") == before
    *_, event = await client.published("conversation.message_appended")
    assert event.message.channel == "note"  # type: ignore[attr-defined]
    assert await client.texts(ANNA, PHONE) == [(1, "hello"), (2, "wants a discount")]


async def test_every_spelling_of_a_phone_is_one_conversation(client: ConversationsClient) -> None:
    for spelling in ("+14155550100", "+1 (415) 555-0100", "415-555-0100", "1.415.555.0100"):
        await client.say(ANNA, spelling, spelling)

    assert len(await client.texts(ANNA, PHONE)) == 4
    refused = await client.call(ANNA, "POST", "/conversations/nonsense/messages", {"body": "?"})
    assert (refused.status, refused.body["errors"][0]["loc"]) == (422, ["path", "phone"])


async def test_a_page_holds_the_newest_messages_and_a_cursor_to_older_ones(client: ConversationsClient) -> None:
    for n in range(1, 8):
        await client.say(ANNA, PHONE, f"m{n}")

    newest = await client.call(ANNA, "GET", f"{MESSAGES}?limit=3")
    older = await client.call(ANNA, "GET", f"{MESSAGES}?limit=3&before={newest.body['next_before']}")
    oldest = await client.call(ANNA, "GET", f"{MESSAGES}?limit=3&before={older.body['next_before']}")

    pages = [[item["seq"] for item in page.body["items"]] for page in (newest, older, oldest)]
    assert pages == [[5, 6, 7], [2, 3, 4], [1]]
    assert oldest.body["next_before"] is None
    assert await client.texts(ANNA, PHONE, "?after=5") == [(6, "m6"), (7, "m7")]


async def test_only_its_user_can_read_a_conversation(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "mine")

    assert await client.texts(BEN, PHONE) == []
    assert await client.texts(STRANGER, PHONE) == []
    assert (await client.call(STRANGER, "GET", "/conversations")).body["items"] == []
    assert (await client.call(STRANGER, "POST", f"/conversations/{PHONE}/read", {"seq": 1})).status == 404
    assert (await client.call(STRANGER, "DELETE", f"/conversations/{PHONE}")).status == 204
    assert await client.texts(ANNA, PHONE) == [(1, "mine")]


async def test_requests_without_an_identity_are_refused(client: ConversationsClient) -> None:
    for method, path in (("GET", "/conversations"), ("GET", MESSAGES), ("GET", "/notifications")):
        assert (await client.call(None, method, path)).status == 401
    assert (await client.call(None, "POST", MESSAGES, {"body": "hello"})).status == 401


async def test_clearing_deletes_messages_and_continues_their_numbers(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "one")
    await client.say(ANNA, PHONE, "two")

    cleared = await client.call(ANNA, "DELETE", f"/conversations/{PHONE}")

    assert cleared.status == 204
    assert await client.texts(ANNA, PHONE) == []
    assert (await client.call(ANNA, "GET", "/conversations")).body["items"] == []
    assert await client.published("conversation.cleared") == [
        ConversationCleared(user_id=ANNA.user_id, contact_phone=PHONE, up_to_seq=2)
    ]
    assert (await client.say(ANNA, PHONE, "three"))["seq"] == 3


async def test_clearing_an_empty_conversation_succeeds_without_an_event(client: ConversationsClient) -> None:
    assert (await client.call(ANNA, "DELETE", f"/conversations/{PHONE}")).status == 204
    assert await client.published() == []


async def test_the_read_position_moves_forward_only_with_one_event(client: ConversationsClient) -> None:
    await client.say(ANNA, PHONE, "one")
    await client.say(ANNA, PHONE, "two")
    await client.fetch("update conversations set unread = 1, read_seq = 0")

    for seq in (2, 1, 99):
        assert (await client.call(ANNA, "POST", f"/conversations/{PHONE}/read", {"seq": seq})).status == 204

    assert await client.published("conversation.read") == [
        ConversationRead(user_id=ANNA.user_id, contact_phone=PHONE, seq=2)
    ]
    listed = await client.call(ANNA, "GET", "/conversations")
    assert listed.body["items"][0]["unread"] == 0


async def test_conversations_are_listed_newest_first_and_found_by_search(client: ConversationsClient) -> None:
    for n in range(5):
        await client.say(ANNA, f"+1415555010{n}", f"about the {['boat', 'car', 'house', 'dog', 'farm'][n]}")
    await client.say(ANNA, "+14155550101", "and the bicycle")

    first = await client.call(ANNA, "GET", "/conversations?limit=2")
    rest = await client.call(ANNA, "GET", f"/conversations?limit=9&cursor={first.body['next_cursor']}")
    found = await client.call(ANNA, "GET", "/conversations?q=car")
    by_phone = await client.call(ANNA, "GET", "/conversations?q=555-0103")

    phones = [item["contact_phone"][-1] for item in first.body["items"] + rest.body["items"]]
    assert phones == ["1", "4", "3", "2", "0"]
    assert first.body["items"][0]["last_message"]["body"] == "and the bicycle"
    assert [item["contact_phone"] for item in found.body["items"]] == ["+14155550101"]
    assert [item["contact_phone"] for item in by_phone.body["items"]] == ["+14155550103"]


async def test_metadata_is_stored_and_deleted_with_the_conversation(client: ConversationsClient) -> None:
    path = f"/conversations/{PHONE}"
    assert (await client.call(ANNA, "PATCH", path, {"metadata": {"stage": "won"}})).status == 404
    await client.say(ANNA, PHONE, "hello")

    assert (await client.call(ANNA, "PATCH", path, {"metadata": {"stage": "won"}})).status == 204

    listed = await client.call(ANNA, "GET", "/conversations")
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


async def test_a_file_can_be_attached_before_its_event_arrives(client: ConversationsClient) -> None:
    client.files.known[ANNA.tenant_id, FILE.id] = FILE

    attached = await client.call(ANNA, "POST", MESSAGES, WITH_FILE)
    foreign = await client.call(STRANGER, "POST", MESSAGES, WITH_FILE)

    assert (attached.status, attached.body["attachments"]) == (201, [str(FILE.id)])
    assert (foreign.status, foreign.body["errors"][0]["loc"]) == (422, ["body", "attachments", 0])


async def test_an_unknown_attachment_is_503_while_files_is_unavailable(client: ConversationsClient) -> None:
    await client.files.stop()

    unknown = await client.call(ANNA, "POST", MESSAGES, WITH_FILE)
    await client.deliver(FILE)
    known = await client.call(ANNA, "POST", MESSAGES, WITH_FILE)

    assert (unknown.status, unknown.body["code"], known.status) == (503, "unavailable", 201)
    assert await client.texts(ANNA, PHONE) == [(1, "see this")]


async def test_only_the_tenants_own_files_can_be_attached(client: ConversationsClient) -> None:
    await client.deliver(FILE)

    attached = await client.call(ANNA, "POST", MESSAGES, WITH_FILE)
    foreign = await client.call(STRANGER, "POST", MESSAGES, WITH_FILE)
    await client.deliver(FileDeleted(**FILE.model_dump()))
    deleted = await client.call(ANNA, "POST", MESSAGES, WITH_FILE)

    assert (attached.status, attached.body["attachments"]) == (201, [str(FILE.id)])
    assert (foreign.status, foreign.body["errors"][0]["loc"]) == (422, ["body", "attachments", 0])
    assert deleted.status == 422


async def test_a_channel_that_is_not_carried_is_refused(client: ConversationsClient) -> None:
    path = f"/conversations/{PHONE}/messages"
    for channel in ("pigeon", "whatsapp", "", "SMS"):
        answer = await client.call(ANNA, "POST", path, {"body": "hello", "channel": channel})
        assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["body", "channel"])
    assert await client.fetch("select from messages") == []


@pytest.mark.parametrize("body", ["x" * 1601, " \n", "я" * 2000])
async def test_a_text_that_no_sms_holds_is_refused(client: ConversationsClient, body: str) -> None:
    refused = await client.call(ANNA, "POST", MESSAGES, {"body": body})
    noted = await client.call(ANNA, "POST", MESSAGES, {"body": body, "channel": "note"})

    assert (refused.status, refused.body["errors"][0]["loc"]) == (422, ["body", "body"])
    assert noted.status == 201


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400", "123456789012345678901234", '"\\u0000"'])
async def test_metadata_that_no_database_keeps_is_refused(client: ConversationsClient, value: str) -> None:
    await client.say(ANNA, PHONE, "hello")
    headers = {**identity_headers(ANNA, "conversations"), "Content-Type": "application/json"}
    body = f'{{"metadata": {{"a": [{value}], "b": "\\u00e9"}}}}'

    async with client.http.patch(f"/api/v1/conversations/{PHONE}", data=body, headers=headers) as answer:
        problem = await answer.json(content_type=None)

    assert (answer.status, problem["errors"][0]["loc"]) == (422, ["body", "metadata", "a", 0])


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00"]
)
async def test_a_cursor_at_the_end_of_time_is_refused(client: ConversationsClient, at: str) -> None:
    answer = await client.call(ANNA, "GET", f"/conversations?cursor={encode_cursor(at, str(ANNA.user_id))}")

    assert (answer.status, answer.body["errors"][0]["loc"]) == (422, ["query", "cursor"])


async def test_one_conversation_is_answered_as_it_is_listed(client: ConversationsClient) -> None:
    await client.call(ANNA, "POST", "/contacts", {"phone": PHONE, "name": "Priya"})
    await client.say(ANNA, PHONE, "hello")
    listed = (await client.call(ANNA, "GET", "/conversations")).body["items"]

    found = await client.call(ANNA, "GET", "/conversations/(415) 555-0100")

    assert (found.status, [found.body]) == (200, listed)
    assert (found.body["contact"]["name"], found.body["last_message"]["body"]) == ("Priya", "hello")
    assert (await client.call(BEN, "GET", f"/conversations/{PHONE}")).status == 404
    await client.call(ANNA, "DELETE", f"/conversations/{PHONE}")
    assert (await client.call(ANNA, "GET", f"/conversations/{PHONE}")).status == 404
