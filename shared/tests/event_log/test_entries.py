"""Which room an event belongs to, and the entry that it becomes."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from switchboard.contracts.envelope import Envelope, Unreadable
from switchboard.event_log import REVOCATIONS, TENANT_ROOM, entry_of, room_of, user_room

USER = "018f0000-0000-7000-8000-000000000001"


def envelope(type: str, data: dict[str, object], **fields: object) -> Envelope:
    values = {"tenant_id": UUID(int=2), "traceparent": "00-ab-cd-01", **fields}
    return Envelope(UUID(int=1), "test", type, "call/1", datetime(2026, 1, 2, tzinfo=UTC), data, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("type", "room"),
    [
        ("conversation.read", user_room(USER)),
        ("campaign.progress", TENANT_ROOM),
        ("session.revoked", REVOCATIONS),
        ("file.uploaded", TENANT_ROOM),
        ("unknown.type", None),
    ],
)
def test_an_events_audience_decides_its_room(type: str, room: str | None) -> None:
    assert room_of(envelope(type, {"user_id": USER})) == room


@pytest.mark.parametrize("user_id", [None, "x", 5, {}])
def test_an_event_for_one_user_without_a_valid_id_is_unreadable(user_id: object) -> None:
    for read in (room_of, entry_of):
        with pytest.raises(Unreadable):
            read(envelope("conversation.read", {"user_id": user_id}))


def test_an_entry_is_one_line_whatever_the_event_holds() -> None:
    text = 'a b\nc\r\n"\u2028'
    entry = entry_of(envelope("conversation.read", {"user_id": USER, "text": text}, traceparent="00 1\n2"))

    assert entry is not None
    assert b"\n" not in entry.rest
    assert entry.rest.split(b" ", 4)[:4] == [
        b"conversation.read",
        b"00000000-0000-0000-0000-000000000001",
        b"2026-01-02T00:00:00Z",
        b"0012",
    ]


def test_an_event_that_no_client_sees_has_no_entry() -> None:
    assert entry_of(envelope("unknown.type", {})) is None
    assert entry_of(envelope("conversation.read", {"user_id": USER}, tenant_id=None)) is None
