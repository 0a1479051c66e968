"""Planning for all kinds: check times, recurrences and owners; save a plan, publish it, wake the firing loop."""

from datetime import datetime, timedelta
from uuid import UUID

from scheduler.domain.recurrence.calendar_text import read_calendar_text
from scheduler.domain.recurrence.changes import moved, with_rule
from scheduler.domain.recurrence.occurrences import Recurrence, check_rule
from scheduler.domain.recurrence.rules import BadRule, parse_rule
from scheduler.domain.schedules import Schedule
from scheduler.store import schedules
from switchboard.contracts.message import Command, Event
from switchboard.http.identity import Identity, Role
from switchboard.messaging.outbox.unit_of_work import Work
from switchboard.replica.user_directory import TenantUsers
from switchboard.replica.user_replica import find_user
from switchboard.runtime.refusals import Forbidden, Invalid
from switchboard.runtime.time_zones import is_time_zone, to_local

PAST = timedelta(minutes=1)
LAST_YEAR = 2200
UTC_ZONE = "UTC"

SCHEDULES = "schedules"  # the channel that wakes the firing loop
LONGEST_SLEEP = 5.0  # seconds of the firing loop; a notification may be lost with the process that was to send it


async def add_plan(work: Work, schedule: Schedule, now: datetime, event: Event | None = None) -> Schedule:
    """Add a new schedule, publish the event, and wake the firing loop after the commit."""
    await schedules.add_schedule(work.conn, schedule)
    if event is not None:
        await work.publish(event)
    notify_firing_loop(work, schedule.due_at, now)
    return schedule


async def save_plan(work: Work, schedule: Schedule, now: datetime, *messages: Event | Command) -> Schedule:
    """Save a locked schedule, publish the messages, and wake the firing loop after the commit."""
    saved = await schedules.save_schedule(work.conn, schedule, now)
    for message in messages:
        await work.publish(message)
    notify_firing_loop(work, saved.due_at, now)
    return saved


def notify_firing_loop(work: Work, due_at: datetime | None, now: datetime) -> None:
    """Wake the firing loop after the commit, unless it looks before `due_at` anyway."""
    if due_at is not None and due_at < now + timedelta(seconds=2 * LONGEST_SLEEP):
        work.notify(SCHEDULES)


def invalid(field: str, message: str) -> Invalid:
    """The refusal of a field of the body."""
    return Invalid.field(message, "body", field)


def check_time(field: str, at: datetime, now: datetime) -> None:
    """Raises `Invalid` for a time that is more than a minute past, or too far in the future."""
    if at < now - PAST:
        raise invalid(field, "lies in the past")
    if at.year > LAST_YEAR:
        raise invalid(field, f"lies after the year {LAST_YEAR}")


def check_time_zone(zone: str | None) -> None:
    """Raises `Invalid` for a name that is no IANA time zone."""
    if zone is not None and not is_time_zone(zone):
        raise invalid("time_zone", "is not an IANA time zone")


def recurrence_of(text: str, zone: str, at: datetime) -> Recurrence:
    """The series that starts at `at`. Raises `Invalid` for a malformed rule, and for one without occurrences."""
    try:
        rule = read_calendar_text(text, zone, at)
        check_rule(parse_rule(rule, zone), to_local(at, zone))
    except BadRule as error:
        raise invalid("recurrence", str(error)) from None
    return Recurrence(rule, zone, to_local(at, zone))


def continued(schedule: Schedule, rule: str, zone: str, at: datetime | None, now: datetime) -> Schedule:
    """A running series with its next time moved to `at`; or, if that is None, with another rule or zone."""
    series, next_at = schedule.recurrence, schedule.next_at
    assert series is not None
    assert next_at is not None
    if at is not None:
        return schedule.replanned(at, moved(series, next_at, zone, at))
    try:
        changed, at = with_rule(series, next_at, rule, zone, now)
    except BadRule as error:
        raise invalid("recurrence", str(error)) from None
    return schedule.replanned(at, changed)


async def owner_of(users: TenantUsers, caller: Identity, user_id: UUID | None) -> UUID:
    """The user to plan for: the caller or, if an admin asks, another active user of the tenant."""
    if user_id is None or user_id == caller.user_id:
        return caller.user_id
    if caller.role < Role.ADMIN:
        raise Forbidden("only an admin plans for others")
    user = await users.find(user_id)
    if user is None:
        raise invalid("user_id", "is not a user of this tenant")
    if user.disabled:
        raise invalid("user_id", "is disabled")
    return user_id


async def time_zone_of(users: TenantUsers, zone: str | None, user_id: UUID, *, of_series: bool) -> str:
    """The time zone of a plan: the given one, else the user's, else UTC.

    A series keeps its zone, so auth is asked for the user's current one.
    """
    check_time_zone(zone)
    if zone is not None:
        return zone
    user = await (users.find_current(user_id) if of_series else find_user(users.conn, users.tenant_id, user_id))
    users_zone = user.time_zone if user is not None else None
    return users_zone if users_zone is not None and is_time_zone(users_zone) else UTC_ZONE


def may_see(caller: Identity, user_id: UUID | None) -> bool:
    return caller.user_id == user_id or caller.role >= Role.ADMIN
