"""Statuses of messages and deliveries. They only move forward: a late report of an earlier status changes nothing.

queued ─▶ sent ─▶ delivered ─▶ read
   │        └──▶ failed ─▶ delivered, read   (it arrived after all)
   ├─▶ uncertain ─▶ sent, delivered, read, failed   (settled by its receipt or an operator)
   └─▶ failed, skipped
"""

from typing import Literal

DeliveryStatus = Literal["pending", "sending", "sent", "delivered", "read", "failed", "skipped", "uncertain"]

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
"""`failed` comes after `sent`, and not after `delivered`: then the phone has the message."""
