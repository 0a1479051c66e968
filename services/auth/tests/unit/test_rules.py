"""The rules of trials, roles and refusals, by themselves."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from auth.domain.users import OwnerStays, RankTooLow, Tenant, User
from switchboard.contracts.auth import RoleName
from switchboard.runtime.refusals import Invalid

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACME = Tenant(UUID(int=1), "Acme", "trial", NOW)


def user(role: RoleName) -> User:
    return User(UUID(int=2), ACME.id, "ann@example.com", "Ann", role)


def test_a_trial_is_over_at_its_very_end_recorded_or_not() -> None:
    assert ACME.status_at(NOW - timedelta(microseconds=1)) == "trial"
    assert ACME.status_at(NOW) == "expired"
    assert ACME.expired().status_at(NOW - timedelta(days=1)) == "expired"


def test_a_trial_that_is_over_runs_again_when_extended() -> None:
    extended = ACME.expired().extended(NOW + timedelta(days=2), now=NOW + timedelta(days=1))

    assert extended.status_at(NOW + timedelta(days=1)) == "trial"


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(days=1), NOW + timedelta(hours=1)])
def test_a_trial_is_never_shortened_nor_ended_in_the_past(end: datetime) -> None:
    with pytest.raises(Invalid):
        ACME.extended(end, now=NOW + timedelta(hours=2))


def test_a_change_of_role_makes_cached_sessions_old_and_the_same_role_does_not() -> None:
    agent = user("agent")

    assert agent.with_role("admin", by="owner").version == agent.version + 1
    assert agent.with_role("agent", by="owner") is agent


def test_nobody_makes_an_owner_or_stops_one_from_being_one() -> None:
    with pytest.raises(RankTooLow):
        user("agent").with_role("owner", by="admin")
    with pytest.raises(OwnerStays):
        user("owner").with_role("agent", by="owner")
    with pytest.raises(OwnerStays):
        user("owner").switched(disabled=True)
    with pytest.raises(RankTooLow):
        user("owner").check_touched_by("admin")
