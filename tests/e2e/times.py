from datetime import UTC, datetime, timedelta


def in_seconds(seconds: float) -> str:
    """That time from now, as the API takes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
