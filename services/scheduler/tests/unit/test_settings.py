"""Settings: invalid values are refused at the start."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from scheduler.settings import Settings

NEEDED = {
    "port": 1,
    "database_url": "postgresql://127.0.0.1:1/x",
    "amqp_url": "amqp://127.0.0.1:1",
    "auth_urls": "http://127.0.0.1:1",
}


def settings(**given: str) -> Settings:
    return Settings(**NEEDED, **given)  # type: ignore[arg-type]  # as the environment gives them


def test_by_default_a_dead_leader_is_replaced_within_five_seconds() -> None:
    found = settings()

    assert found.lease_ttl + found.lease_renew_every < timedelta(seconds=5)
    assert found.lease_margin + 2 * found.lease_renew_every < found.lease_ttl  # one renewal may fail


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"lease_ttl": "1s"}, "LEASE_TTL must be longer than LEASE_MARGIN and LEASE_RENEW_EVERY together"),
        ({"lease_margin": "3s"}, "LEASE_TTL must be longer than LEASE_MARGIN and LEASE_RENEW_EVERY together"),
        ({"lease_renew_every": "0s"}, "LEASE_MARGIN and LEASE_RENEW_EVERY must be at least 50ms"),
        ({"lease_margin": "0s"}, "LEASE_MARGIN and LEASE_RENEW_EVERY must be at least 50ms"),
        ({"lease_ttl": "1h"}, "LEASE_TTL and LEASE_RENEW_EVERY together must be less than 1m"),
        ({"lease_ttl": "-2s"}, "must be a duration"),
        ({"lease_ttl": "2"}, "must be a duration"),
        ({"default_region": "XX"}, "must be a country's two letters"),
    ],
)
def test_invalid_settings_are_refused_at_the_start(given: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        settings(**given)
