"""Tracing with OpenTelemetry: the W3C trace context goes from the HTTP request through the bus to the socket.

Without an OTLP endpoint no span is recorded and the SDK is not imported. Spans are then only ids, so that the logs and
messages of one request still share a trace id.
"""

import random
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
NOT_SAMPLED = TraceFlags(0)

Attributes = dict[str, AttributeValue]


class _Export:
    """Whether spans are exported. One per process, like OpenTelemetry's own provider, which is slow to ask."""

    is_on = False


_export = _Export()


@contextmanager
def tracing(service: str, instance: str, endpoint: str | None) -> Iterator[None]:
    """Export spans to `endpoint` (OTLP over HTTP) inside the block. None: only pass trace ids on."""
    if endpoint is None:
        yield
        return
    from switchboard.runtime.otlp import export_spans

    with export_spans(service, instance, endpoint):
        _export.is_on = True
        try:
            yield
        finally:
            _export.is_on = False


def current_traceparent() -> str | None:
    """The `traceparent` header of the current span; None outside of any."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return _traceparent_of(current)


def new_traceparent() -> str:
    """A `traceparent` that begins a trace, for what no request has caused."""
    return f"00-{_id(128):032x}-{_id(64):016x}-{'01' if _export.is_on else '00'}"


def _traceparent_of(span: SpanContext) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def current_trace_id() -> str | None:
    """The trace id of the current span, for logs; None outside of any."""
    current = trace.get_current_span().get_span_context()
    return f"{current.trace_id:032x}" if current.is_valid else None


def continue_trace(traceparent: str | None) -> AbstractContextManager[object]:
    """Continue the trace of `traceparent` inside the block. None, or a malformed one, changes nothing."""
    parent = parse_traceparent(traceparent)
    return nullcontext() if parent is None else _UnrecordedSpan(NonRecordingSpan(parent))


def span(
    name: str, attributes: Attributes | None = None, *, kind: SpanKind = SpanKind.INTERNAL, parent: str | None = None
) -> AbstractContextManager[Span]:
    """A span of the current trace, or the first of a new one. Records an exception that leaves the block.

    `parent`: a `traceparent` to continue in place of the current trace.
    """
    continuing = parse_traceparent(parent)
    if _export.is_on:
        within = trace.set_span_in_context(NonRecordingSpan(continuing)) if continuing else None
        return trace.get_tracer("switchboard").start_as_current_span(name, within, attributes=attributes, kind=kind)
    return _UnrecordedSpan(NonRecordingSpan(_child_of(continuing or trace.get_current_span().get_span_context())))


def record_step(name: str, parent: str | None) -> None:
    """Record a span without duration in the trace of `parent`, a `traceparent`, if spans are exported."""
    continuing = parse_traceparent(parent) if _export.is_on else None
    if continuing is not None:
        within = trace.set_span_in_context(NonRecordingSpan(continuing))
        trace.get_tracer("switchboard").start_span(name, within).end()


class EdgeSpan:
    """The span of a request at the edge, outside of any context: `traceparent` is what upstreams get."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, name: str, parent: str | None) -> None:
        """`parent`: the client's `traceparent`; a missing or malformed one begins a trace."""
        self._span: Span | None = None
        continuing = parse_traceparent(parent)
        if _export.is_on:
            within = trace.set_span_in_context(NonRecordingSpan(continuing)) if continuing else context.Context()
            self._span = trace.get_tracer("switchboard").start_span(name, within, kind=SpanKind.SERVER)
            self.traceparent = _traceparent_of(self._span.get_span_context())
        elif continuing is not None and parent is not None:
            self.traceparent = parent
        else:
            self.traceparent = new_traceparent()

    def end(self) -> None:
        """The response was sent."""
        if self._span is not None:
            self._span.end()


class _UnrecordedSpan:
    """A span that only carries ids: it is the current one inside the block and is not recorded."""

    __slots__ = ("_span", "_token")

    def __init__(self, bare: Span) -> None:
        self._span = bare

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *_error: object) -> None:
        context.detach(self._token)


def parse_traceparent(traceparent: str | None) -> SpanContext | None:
    """The parent span of a `traceparent` header; None if the header is missing or malformed."""
    match = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    parent = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return parent if parent.is_valid else None


def _child_of(parent: SpanContext) -> SpanContext:
    if not parent.is_valid:
        return SpanContext(_id(128), _id(64), is_remote=False, trace_flags=NOT_SAMPLED)
    return SpanContext(parent.trace_id, _id(64), is_remote=False, trace_flags=parent.trace_flags)


def _id(bits: int) -> int:
    return random.getrandbits(bits) or 1
