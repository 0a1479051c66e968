"""W3C trace context from the HTTP request through the bus to the socket, with OpenTelemetry.

Without an OTLP endpoint nothing is recorded, and the SDK is not even imported: spans are then bare ids, made
here and carried on, so that logs and messages of one request share a trace id everywhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import AttributeValue

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
NOT_SAMPLED = TraceFlags(0)

Attributes = dict[str, AttributeValue]


@contextmanager
def tracing(service: str, instance: str, endpoint: str | None) -> Iterator[None]:
    """Export spans to `endpoint` (OTLP over HTTP) while inside; with none, only pass trace ids on."""
    if endpoint is None:
        yield
        return
    from switchboard.runtime.exporting import exporting

    with exporting(service, instance, endpoint):
        yield


def current_traceparent() -> str | None:
    """The header to send along, for the span that we are in."""
    here = trace.get_current_span().get_span_context()
    if not here.is_valid:
        return None
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"


def current_trace_id() -> str | None:
    """For logs."""
    here = trace.get_current_span().get_span_context()
    return f"{here.trace_id:032x}" if here.is_valid else None


@contextmanager
def continued(traceparent: str | None) -> Iterator[None]:
    """What happens inside belongs to the trace that `traceparent` names; None, or a malformed one, changes
    nothing.
    """
    parent = parse_traceparent(traceparent)
    if parent is None:
        yield
        return
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(parent)))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, attributes: Attributes | None = None, *, kind: SpanKind = SpanKind.INTERNAL) -> Iterator[Span]:
    """A step of the current trace, or the first of a new one. An exception that leaves it is recorded on it."""
    if _recording():
        with trace.get_tracer("switchboard").start_as_current_span(name, attributes=attributes, kind=kind) as recorded:
            yield recorded
        return
    bare = NonRecordingSpan(_child_of(trace.get_current_span().get_span_context()))
    token = context.attach(trace.set_span_in_context(bare))
    try:
        yield bare
    finally:
        context.detach(token)


def parse_traceparent(traceparent: str | None) -> SpanContext | None:
    """The span that a `traceparent` header names, if it names one."""
    match = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    parent = SpanContext(
        int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(int(match[3], 16))
    )
    return parent if parent.is_valid else None


def _recording() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _child_of(parent: SpanContext) -> SpanContext:
    if not parent.is_valid:
        return SpanContext(_id(128), _id(64), is_remote=False, trace_flags=NOT_SAMPLED)
    return SpanContext(parent.trace_id, _id(64), is_remote=False, trace_flags=parent.trace_flags)


def _id(bits: int) -> int:
    return random.getrandbits(bits) or 1
