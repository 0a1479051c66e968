"""The message log: each line below a rate, whole traces above it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from switchboard.contracts.envelope import Envelope
from switchboard.runtime import message_log
from switchboard.runtime.message_log import (
    SAMPLED,
    is_logged,
    is_sampled,
    limit_lines,
    log_encoded_messages,
    log_messages,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
NOT_SAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
SAMPLED_TRACE = f"00-{TRACE[:-2]}40-b7ad6b7169203331-00"


@pytest.fixture(autouse=True)
def few_lines() -> Iterator[None]:
    message_log._steps.clear()
    limit_lines(3)
    yield
    message_log._steps.clear()
    limit_lines(50)


def message(traceparent: str | None = NOT_SAMPLED) -> Envelope:
    return Envelope(
        id=uuid4(),
        source="conversations",
        type="conversation.message_appended",
        subject="conversation/1",
        time=datetime.now(UTC),
        data={"message": {"id": "m-1"}},
        tenant_id=uuid4(),
        traceparent=traceparent,
    )


def test_a_line_has_the_ids_of_its_message() -> None:
    sent = message()

    with capture_logs() as lines:
        log_messages("handled", [sent], queue="realtime.events.0")

    assert lines == [
        {
            "event": "handled",
            "log_level": "info",
            "trace_id": TRACE,
            "event_id": str(sent.id),
            "type": sent.type,
            "subject": sent.subject,
            "tenant_id": str(sent.tenant_id),
            "message_id": "m-1",
            "queue": "realtime.events.0",
        }
    ]


def test_an_encoded_message_has_the_same_line() -> None:
    sent = message()

    with capture_logs() as lines:
        log_messages("published", [sent])
        log_encoded_messages("published", [sent.encode()])

    assert lines[0] == lines[1]


@pytest.mark.parametrize("traceparent", [None, NOT_SAMPLED, "nonsense"])
def test_beyond_the_rate_nothing_is_logged(traceparent: str | None) -> None:
    with capture_logs() as lines:
        log_messages("handled", [message(traceparent)] * 10)
        log_encoded_messages("published", [message(traceparent).encode()] * 10)

    assert [line["event"] for line in lines] == ["handled"] * 3 + ["published"] * 3


def test_beyond_the_rate_some_traces_are_logged_whole() -> None:
    assert is_sampled(SAMPLED_TRACE)
    assert not is_sampled(NOT_SAMPLED)

    with capture_logs() as lines:
        for step in ("committed", "handled", "pushed"):
            log_messages(step, [message()] * 10)
            log_messages(step, [message(SAMPLED_TRACE)] * 10)
        log_encoded_messages("published", [message().encode()] * 10)
        log_encoded_messages("published", [message(SAMPLED_TRACE).encode()] * 10)

    steps = [line["event"] for line in lines]
    assert {step: steps.count(step) for step in steps} == dict.fromkeys(
        ("committed", "handled", "pushed", "published"), 13
    )


def test_one_trace_in_so_many_is_sampled() -> None:
    traces = [f"00-{TRACE[:-2]}{n:02x}-b7ad6b7169203331-00" for n in range(256)]

    assert sum(map(is_sampled, traces)) == 256 // SAMPLED


def test_each_second_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(message_log, "monotonic", lambda: now)
    assert [is_logged("request", None) for _ in range(4)] == [True, True, True, False]

    now += 1.0

    assert is_logged("request", None)
