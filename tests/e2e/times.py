from datetime import UTC, datetime, timedelta


def in_seconds(seconds: float) -> str:
    """The time in so many seconds, in the API's format."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
