"""What all kinds share when they are planned: times, series, and whose they are."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from scheduler.domain.recurrence.occurrences import Recurrence
from scheduler.domain.recurrence.rules import BadRule, normalised, parse_rule
from switchboard.http.identity import Identity, Role
from switchboard.replica.user_directory import TenantUsers
from switchboard.replica.user_replica import find_user
from switchboard.runtime.refusals import Forbidden, Invalid
from switchboard.runtime.time_zones import is_time_zone, to_local

PAST = timedelta(minutes=1)
FARTHEST_YEAR = 2200
UTC_ZONE = "UTC"


def refuse(field: str, message: str) -> Invalid:
    """What is wrong with one field of the body."""
    return Invalid.field(message, "body", field)


def check_time(field: str, at: datetime, now: datetime) -> None:
    """Raises `Invalid` for what is past by more than a minute, or out of any calendar."""
    if at < now - PAST:
        raise refuse(field, "lies in the past")
    if at.year > FARTHEST_YEAR:
        raise refuse(field, f"lies after the year {FARTHEST_YEAR}")


def check_zone(zone: str | None) -> None:
    if zone is not None and not is_time_zone(zone):
        raise refuse("time_zone", "is not an IANA time zone")


def recurrence_of(rule: str | None, zone: str, at: datetime) -> Recurrence | None:
    """The series that begins at `at`.

    Raises `Invalid` for a rule that can't be kept, or that never comes true.
    """
    if rule is None:
        return None
    try:
        hasty = parse_rule(rule, zone).is_hasty
    except BadRule as error:
        raise refuse("recurrence", str(error)) from None
    if hasty:
        raise refuse("recurrence", "comes more often than once a minute")
    series = Recurrence(normalised(rule), zone, to_local(at, zone))
    if series.next_after(at - timedelta(seconds=1)) is None:
        raise refuse("recurrence", "never comes true")
    return series


async def user_of(users: TenantUsers, caller: Identity, wished: UUID | None) -> UUID:
    """Whose it is to be: the caller's own or, for an admin, a colleague's."""
    if wished is None or wished == caller.user_id:
        return caller.user_id
    if caller.role < Role.ADMIN:
        raise Forbidden("only an admin plans for others")
    colleague = await users.find(wished)
    if colleague is None:
        raise refuse("user_id", "is not a user of this tenant")
    if colleague.disabled:
        raise refuse("user_id", "is disabled")
    return wished


async def zone_of(users: TenantUsers, zone: str | None, user_id: UUID, *, of_series: bool) -> str:
    """The zone that was named, else the user's own, else UTC. A series keeps it for good: auth itself is asked then."""
    check_zone(zone)
    if zone is not None:
        return zone
    user = await (users.find_current(user_id) if of_series else find_user(users.conn, users.tenant_id, user_id))
    known = user is not None and user.time_zone is not None and is_time_zone(user.time_zone)
    return user.time_zone if known and user and user.time_zone else UTC_ZONE


def sees(caller: Identity, user_id: UUID | None) -> bool:
    """Whether the caller may know of what is this user's."""
    return caller.user_id == user_id or caller.role >= Role.ADMIN
