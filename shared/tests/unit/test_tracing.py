import pytest

from switchboard.runtime.tracing import continue_trace, current_trace_id, current_traceparent, span

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_there_is_no_traceparent_outside_of_a_trace() -> None:
    assert current_traceparent() is None
    assert current_trace_id() is None


def test_a_span_continues_the_given_trace() -> None:
    with continue_trace(PARENT):
        assert current_traceparent() == PARENT
        with span("step"):
            inner = current_traceparent()

    assert inner is not None
    assert inner.startswith(f"00-{TRACE}-")
    assert inner.endswith("-01")
    assert inner != PARENT
    assert current_traceparent() is None


def test_a_first_span_starts_a_trace() -> None:
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
