"""The rules of trials and roles."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from auth.domain.tenants import Tenant
from auth.domain.users import OwnerStays, RankTooLow, User
from switchboard.contracts.auth import RoleName
from switchboard.runtime.refusals import Invalid

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACME = Tenant(UUID(int=1), "Acme", "trial", NOW)


def user(role: RoleName) -> User:
    return User(UUID(int=2), ACME.id, "ann@example.com", "Ann", role)


def test_a_trial_is_over_at_its_end_even_if_that_is_not_stored() -> None:
    assert ACME.status_at(NOW - timedelta(microseconds=1)) == "trial"
    assert ACME.status_at(NOW) == "expired"
    assert ACME.expired().status_at(NOW - timedelta(days=1)) == "expired"


def test_an_extension_restarts_a_trial_that_is_over() -> None:
    extended = ACME.expired().extended(NOW + timedelta(days=2), now=NOW + timedelta(days=1))

    assert extended.status_at(NOW + timedelta(days=1)) == "trial"


@pytest.mark.parametrize("end", [NOW, NOW - timedelta(days=1), NOW + timedelta(hours=1)])
def test_a_trial_can_not_be_shortened_or_end_in_the_past(end: datetime) -> None:
    with pytest.raises(Invalid):
        ACME.extended(end, now=NOW + timedelta(hours=2))


def test_only_another_role_makes_cached_sessions_out_of_date() -> None:
    agent = user("agent")

    assert agent.with_role("admin", by="owner").version == agent.version + 1
    assert agent.with_role("agent", by="owner") is agent


def test_the_role_of_owner_is_never_given_or_taken() -> None:
    with pytest.raises(RankTooLow):
        user("agent").with_role("owner", by="admin")
    with pytest.raises(OwnerStays):
        user("owner").with_role("agent", by="owner")
    with pytest.raises(OwnerStays):
        user("owner").with_disabled(True)
    with pytest.raises(RankTooLow):
        user("owner").check_may_be_changed_by("admin")
