"""The scheduler's loops."""

from functools import partial

from scheduler.actions.zone_rules import PLAN_AGAIN_SECONDS, plan_by_current_rules
from scheduler.domain.clock import Clock
from scheduler.domain.kinds import KINDS
from scheduler.metrics import SchedulerMetrics
from scheduler.settings import Settings
from scheduler.store.claims import FIRING_LEASE
from scheduler.workers.firing import Firer
from scheduler.workers.firing_loop import FiringLoop
from scheduler.workers.health import OBSERVE_SECONDS, FiringHealth
from scheduler.workers.housekeeping import HousekeepingPlanner
from switchboard.postgres.leader_lease import LeaderLease
from switchboard.process.service import Service
from switchboard.runtime.background import Loop, repeat


def workers(service: Service, settings: Settings, clock: Clock) -> list[Loop]:
    """All loops of an instance, which also adds its health checks."""
    database = service.database
    metrics = SchedulerMetrics(service.metrics.registry, KINDS)
    lease = LeaderLease(
        database,
        FIRING_LEASE,
        service.instance,
        ttl=settings.lease_ttl.total_seconds(),
        margin=settings.lease_margin.total_seconds(),
        renew_every=settings.lease_renew_every.total_seconds(),
    )
    firer = Firer(database, lease, clock, KINDS, metrics, settings.late_after)
    health = FiringHealth(database, clock, metrics)
    health.add_to(service.health)
    return [
        lease.run,
        FiringLoop(firer).run,
        repeat(health.observe, every=OBSERVE_SECONDS),
        repeat(partial(plan_by_current_rules, database), every=PLAN_AGAIN_SECONDS),
        HousekeepingPlanner(database, clock).run,
    ]
