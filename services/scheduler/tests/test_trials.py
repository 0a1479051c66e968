"""Trial timers follow auth's events of the tenant."""

from datetime import datetime, timedelta
from typing import Any

from scheduler.domain.kinds.trial import timer_of
from switchboard.contracts.auth import TenantCreated, TenantTrialExpired, TenantTrialExtended, TenantUpdated

from .virtual_time import NOON, TENANT, VirtualScheduler


def tenant(event: type[Any], ends_at: datetime | None, status: str = "trial") -> Any:
    return event(tenant_id=TENANT, name="Acme", status=status, trial_ends_at=ends_at)


async def ends(scheduler: VirtualScheduler) -> list[str]:
    return [command.data["trial_ends_at"] for command in await scheduler.published("trial.expire")]


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def test_a_trial_ends_at_its_time(scheduler: VirtualScheduler) -> None:
    end = NOON + timedelta(seconds=5)
    await scheduler.receive(tenant(TenantCreated, end))

    await scheduler.advance(seconds=4)
    assert await ends(scheduler) == []
    await scheduler.advance(seconds=2)

    assert await ends(scheduler) == [text(end)]


async def test_a_trial_extended_in_time_ends_later(scheduler: VirtualScheduler) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await scheduler.receive(tenant(TenantCreated, soon))
    await scheduler.advance(seconds=4)

    await scheduler.receive(tenant(TenantTrialExtended, later))
    await scheduler.advance(days=9)

    assert await ends(scheduler) == [text(later)]


async def test_a_trial_extended_after_its_end_ends_again(scheduler: VirtualScheduler) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await scheduler.receive(tenant(TenantCreated, soon))
    await scheduler.advance(seconds=9)
    await scheduler.receive(tenant(TenantTrialExpired, soon, "expired"))

    await scheduler.receive(tenant(TenantTrialExtended, later))
    await scheduler.advance(days=9)

    assert await ends(scheduler) == [text(soon), text(later)]


async def test_an_outdated_event_does_not_move_the_timer(scheduler: VirtualScheduler) -> None:
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(days=3)
    await scheduler.receive(tenant(TenantTrialExtended, later), time=NOON + timedelta(seconds=2))

    await scheduler.receive(tenant(TenantCreated, soon), time=NOON + timedelta(seconds=1))
    await scheduler.advance(days=9)

    assert await ends(scheduler) == [text(later)]


async def test_a_tenant_that_pays_has_no_trial_to_end(scheduler: VirtualScheduler) -> None:
    await scheduler.receive(tenant(TenantCreated, NOON + timedelta(days=3)))

    await scheduler.receive(tenant(TenantUpdated, NOON + timedelta(days=3), "active"), time=NOON + timedelta(seconds=1))
    await scheduler.advance(days=9)

    assert await ends(scheduler) == []


async def test_a_redelivered_event_sets_one_timer(scheduler: VirtualScheduler) -> None:
    created = tenant(TenantCreated, NOON + timedelta(seconds=5))
    for _ in range(2):
        await scheduler.receive(created, id=timer_of(TENANT))
    await scheduler.advance(seconds=9)

    assert len(await ends(scheduler)) == 1
