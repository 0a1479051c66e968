"""Counts of a campaign by the status of its recipients.

running ⇄ paused, both ─▶ cancelled; running ─▶ completed, once all is expanded and no recipient is pending or sending
"""

from collections.abc import Mapping

from switchboard.contracts.conversations import CampaignCounts

SETTLED_COUNTS = ("failed", "skipped", "uncertain", "sent")


def counts_of(by_status: Mapping[str, int]) -> CampaignCounts:
    """Count each recipient once at most. `delivered` includes those who have read it."""
    return CampaignCounts(
        total=sum(by_status.values()),
        delivered=by_status.get("delivered", 0) + by_status.get("read", 0),
        **{name: by_status.get(name, 0) for name in SETTLED_COUNTS},
    )


def unsettled(by_status: Mapping[str, int]) -> int:
    """Count the recipients that are still pending or being sent to."""
    return by_status.get("pending", 0) + by_status.get("sending", 0)
