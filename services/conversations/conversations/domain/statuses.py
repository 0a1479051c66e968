"""Where a message or delivery stands. Statuses only go forward: a late word of an earlier one changes nothing.

queued ─▶ sent ─▶ delivered ─▶ read
   │        └──▶ failed ─▶ delivered, read   (it arrived all the same)
   ├─▶ uncertain ─▶ sent, delivered, read, failed   (its receipt, or an operator, settles it)
   └─▶ failed, skipped
"""

from __future__ import annotations

from typing import Literal, get_args

DeliveryStatus = Literal["pending", "sending", "sent", "delivered", "read", "failed", "skipped", "uncertain"]
DELIVERY_STATUSES: tuple[DeliveryStatus, ...] = get_args(DeliveryStatus)
UNSETTLED: tuple[DeliveryStatus, ...] = ("pending", "sending")

RANKS: dict[str, int] = {
    "received": 0,
    "pending": 0,
    "queued": 0,
    "sending": 1,
    "uncertain": 2,
    "sent": 3,
    "skipped": 4,
    "failed": 4,
    "delivered": 5,
    "read": 6,
}
"""`failed` after `sent` is news; after `delivered` it is not: the phone had it."""


def goes_forward(before: str, after: str) -> bool:
    """Whether `after` is news about something that stood at `before`."""
    return RANKS[after] > RANKS[before]
