from __future__ import annotations

from typing import Any

import pytest

from switchboard.http import PlainRoute, Request, reply
from switchboard.runtime.tracing import continue_trace, current_trace_id, current_traceparent, span

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_outside_of_any_trace_there_is_nothing_to_send_along() -> None:
    assert current_traceparent() is None
    assert current_trace_id() is None


def test_a_span_continues_the_trace_it_came_with() -> None:
    with continue_trace(PARENT):
        assert current_traceparent() == PARENT
        with span("step"):
            inner = current_traceparent()

    assert inner is not None
    assert inner.startswith(f"00-{TRACE}-")
    assert inner.endswith("-01")
    assert inner != PARENT
    assert current_traceparent() is None


def test_a_first_span_begins_a_trace() -> None:
    with span("first"), continue_trace(None):
        first = current_trace_id()
        with span("second"):
            assert current_trace_id() == first
    with span("another"):
        assert current_trace_id() != first


@pytest.mark.parametrize(
    "header", ["", "nonsense", f"01-{TRACE}-b7ad6b7169203331-01", PARENT.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01"]
)
def test_a_malformed_header_changes_nothing(header: str) -> None:
    with continue_trace(header):
        assert current_traceparent() is None


async def test_a_request_goes_on_with_its_trace_and_does_not_leave_it_to_the_next_one(start: Any) -> None:
    async def trace(_call: Request) -> Any:
        return reply({"trace": current_trace_id()})

    client = await start([PlainRoute("GET", "/trace", trace, public=True)])

    with_header = await (await client.get("/trace", headers={"traceparent": PARENT})).json()
    without = await (await client.get("/trace")).json()
    assert with_header == {"trace": TRACE}
    assert without["trace"] not in (None, TRACE)
