"""Times of presence."""

from realtime.presence import presence


def test_stale_users_are_offline_within_half_a_minute() -> None:
    assert presence.ONLINE_TTL.total_seconds() + 2 * presence.HEARTBEAT_SECONDS < 30
