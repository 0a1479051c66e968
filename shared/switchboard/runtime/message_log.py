"""The message log: a log line for each step of a message, by which an operator follows it from request to socket.

| line | who writes it, and when |
|---|---|
| `request` | the gateway and the service: a request was answered |
| `committed` | the service: a message is in the outbox, committed with its cause |
| `published` | the outbox relay: the broker has confirmed it |
| `handled` | a consumer: its effect is durable |
| `sent` | conversations: the provider has answered |
| `reported` | conversations: the provider has reported what became of it |
| `pushed` | realtime: it was pushed to the sockets of its room |

Each has `trace_id`, and those of a message have `event_id`, `type` and, where it concerns a conversation's message,
`message_id`. A process writes so many lines of a step each second (`LOG_LINES_PER_SECOND`). Beyond them it goes by the
trace id and writes one in `SAMPLED`, so that the messages which are left are followed whole.

Where spans are exported, each step is a span of the message's trace too, whether it is logged or not.
"""

from collections.abc import Iterable
from time import monotonic
from typing import Any

import structlog

from switchboard.contracts.envelope import Envelope
from switchboard.runtime.tracing import record_step

SAMPLED = 64
TRACE_ID = slice(3, 35)  # in a `traceparent`

_TRACEPARENT = b'"traceparent":"'

log = structlog.get_logger("switchboard.messages")


class _Limit:
    """How many lines of a step a process writes each second. One per process, as its settings say."""

    lines = 50


def limit_lines(per_second: int) -> None:
    """Set how many lines of each step this process writes a second before it samples."""
    _Limit.lines = per_second


class _Step:
    """Counts the lines of a step in the current second."""

    __slots__ = ("_began", "_lines")

    def __init__(self) -> None:
        self._began = 0.0
        self._lines = 0

    def takes(self) -> bool:
        now = monotonic()
        if now - self._began >= 1.0:
            self._began, self._lines = now, 0
        self._lines += 1
        return self._lines <= _Limit.lines


_steps: dict[str, _Step] = {}


def is_logged(step: str, traceparent: str | None) -> bool:
    """Whether to write this line of `step`. Asking counts as writing."""
    state = _steps.get(step)
    if state is None:
        state = _steps[step] = _Step()
    return state.takes() or is_sampled(traceparent)


def is_sampled(traceparent: str | None) -> bool:
    """Whether the lines of this trace are written at any rate: one trace in `SAMPLED`, by its random id."""
    try:
        return traceparent is not None and int(traceparent[33:35], 16) % SAMPLED == 0
    except ValueError:
        return False


def log_messages(step: str, messages: Iterable[Envelope], **more: Any) -> None:
    """Write a line for each of these messages."""
    for message in messages:
        if is_logged(step, message.traceparent):
            _write(step, message, more)
        record_step(step, message.traceparent)


def log_encoded_messages(step: str, bodies: Iterable[bytes], **more: Any) -> None:
    """Write a line for each of these encoded messages. Only those that are written are decoded."""
    for body in bodies:
        before = body.rfind(_TRACEPARENT)
        traceparent = body[before + len(_TRACEPARENT) :][:55].decode("ascii", "replace") if before >= 0 else None
        if is_logged(step, traceparent):
            _write(step, Envelope.decode(body), more)
        record_step(step, traceparent)


def log_message_step(step: str, traceparent: str | None, **ids: Any) -> None:
    """Write a line about a message that has no envelope here."""
    if is_logged(step, traceparent):
        log.info(step, **_trace(traceparent), **ids)
    record_step(step, traceparent)


def _write(step: str, message: Envelope, more: dict[str, Any]) -> None:
    ids: dict[str, Any] = {"event_id": str(message.id), "type": message.type, "subject": message.subject}
    if message.tenant_id is not None:
        ids["tenant_id"] = str(message.tenant_id)
    message_id = _message_id_of(message.data)
    if message_id is not None:
        ids["message_id"] = message_id
    log.info(step, **_trace(message.traceparent), **(ids | more))


def _trace(traceparent: str | None) -> dict[str, str]:
    return {} if traceparent is None else {"trace_id": traceparent[TRACE_ID]}


def _message_id_of(data: dict[str, Any]) -> Any:
    inner = data.get("message")
    return inner.get("id") if isinstance(inner, dict) else data.get("message_id")
