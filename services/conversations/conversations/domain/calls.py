"""Statuses of a call, and the events that report them.

scheduled ─▶ ringing ─▶ completed | missed | failed
     └───────────────▶ failed | missed
"""

from switchboard.contracts.conversations import (
    CallCompleted,
    CallEvent,
    CallFailed,
    CallMissed,
    CallRinging,
    CallStatus,
)

EVENTS: dict[CallStatus, type[CallEvent]] = {
    "ringing": CallRinging,
    "completed": CallCompleted,
    "missed": CallMissed,
    "failed": CallFailed,
}
_RANKS: dict[CallStatus, int] = {"scheduled": 0, "ringing": 1, "completed": 2, "missed": 2, "failed": 2, "cancelled": 2}


def goes_forward(before: CallStatus, after: CallStatus) -> bool:
    """Whether a call moves forward from `before` to `after`. A final status never changes."""
    return _RANKS[after] > _RANKS[before]
