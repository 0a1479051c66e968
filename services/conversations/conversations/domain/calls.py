"""Where a call stands.

scheduled ─▶ ringing ─▶ completed | missed | failed
     └───────────────▶ failed | missed
"""

from __future__ import annotations

from switchboard.contracts.conversations import (
    CallCompleted,
    CallEvent,
    CallFailed,
    CallMissed,
    CallRinging,
    CallStatus,
)

NEWS: dict[CallStatus, type[CallEvent]] = {
    "ringing": CallRinging,
    "completed": CallCompleted,
    "missed": CallMissed,
    "failed": CallFailed,
}
_RANKS: dict[CallStatus, int] = {"scheduled": 0, "ringing": 1, "completed": 2, "missed": 2, "failed": 2, "cancelled": 2}


def goes_forward(before: CallStatus, after: CallStatus) -> bool:
    """Whether `after` is news about a call that stood at `before`. What is over stays as it ended."""
    return _RANKS[after] > _RANKS[before]
