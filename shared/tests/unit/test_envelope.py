from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from switchboard.contracts.auth import SessionRevoked
from switchboard.contracts.envelope import Envelope, Unreadable

ID = UUID("0192f7a0-0000-7000-8000-000000000001")
TENANT = UUID("0192f7a0-0000-7000-8000-000000000002")


def an_envelope() -> Envelope:
    return Envelope(
        id=ID,
        source="auth",
        type="session.revoked",
        subject=f"user/{ID}",
        time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        data={"reason": "logout"},
        tenant_id=TENANT,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def test_an_envelope_reads_back_as_it_was_written() -> None:
    assert Envelope.decode(an_envelope().encode()) == an_envelope()


def test_the_wire_form_is_a_cloudevent() -> None:
    assert orjson.loads(an_envelope().encode()) == {
        "specversion": "1.0",
        "id": str(ID),
        "source": "auth",
        "type": "session.revoked",
        "subject": f"user/{ID}",
        "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/json",
        "data": {"reason": "logout"},
        "tenantid": str(TENANT),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no field 'id'"),
        (orjson.dumps({"id": "7"}), "not a CloudEvents envelope"),
        (an_envelope().encode().replace(b'"traceparent":"', b'"traceparent":[],"x":"'), "traceparent is not a string"),
    ],
)
def test_an_invalid_envelope_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        Envelope.decode(body)


def test_a_message_is_read_leniently_and_built_strictly() -> None:
    data = {"session_ids": [str(ID)], "user_id": str(ID), "reason": "logout", "added_later": True}

    assert SessionRevoked.read(data).session_ids == (ID,)
    with pytest.raises(ValueError, match="added_later"):
        SessionRevoked(**data)  # type: ignore[arg-type]
