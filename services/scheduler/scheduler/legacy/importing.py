"""Import the legacy platform's plans: each row once, as if its user had planned it here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from scheduler.actions.calls import CallPlan, plan_call
from scheduler.actions.campaigns import plan_campaign
from scheduler.actions.planning import PAST
from scheduler.actions.reminders import ReminderPlan, SeriesOver, create_reminder
from scheduler.domain.campaign_plan import NewCampaign
from scheduler.legacy.rows import LegacyRow, UnreadableRow
from scheduler.store import schedules
from switchboard.http.identity import Identity, Role
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import TenantUsers
from switchboard.replica.user_replica import find_user
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Refusal

NO_SESSION = UUID(int=0)


class _DryRun(Exception):
    """Rolls back the transaction of a dry run."""


@dataclass(frozen=True)
class ScheduleImport:
    """The tenant to import into, its users by their old ids, and the country of phones without a country code."""

    tenant: UUID
    users: Mapping[str, UUID]
    region: str
    dry: bool = False


@dataclass
class ScheduleImportReport:
    """Counts of rows: planned, imported before, over (done there, or a series that has ended); and those left out."""

    planned: int = 0
    known: int = 0
    over: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


async def import_row(
    database: Database, into: ScheduleImport, row: LegacyRow, report: ScheduleImportReport, now: datetime
) -> None:
    """Plan a row, unless it is over in the legacy platform or was imported before. The result is added to `report`."""
    if not row.is_waiting:
        report.over += 1
        return
    try:
        async with open_work(database, tenant_id=into.tenant) as work:
            if await _plan(work, into, row, now):
                report.planned += 1
            else:
                report.known += 1
            if into.dry:
                raise _DryRun
    except _DryRun:
        pass
    except SeriesOver:
        report.over += 1
    except UnreadableRow as error:
        report.broken.append((row.place, str(error)))
    except Refusal as refusal:
        wrong = [f"{each['loc'][-1]} {each['msg']}" for each in refusal.errors]
        report.broken.append((row.place, "; ".join(wrong) or refusal.detail))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        report.broken.append((row.place, "; ".join(wrong)))


async def _plan(work: Work, into: ScheduleImport, row: LegacyRow, now: datetime) -> bool:
    """Returns whether the row is new."""
    old_id = row.get("id") or orjson.dumps(row.fields, option=orjson.OPT_SORT_KEYS).decode()
    new_id = uuid5(into.tenant, f"{row.kind}/{old_id}")
    if await schedules.find_any(work.conn, new_id) is not None:
        return False
    await _PLANS[row.kind](work, await _user(work, into, row), into, row, now, new_id)
    return True


async def _user(work: Work, into: ScheduleImport, row: LegacyRow) -> Identity:
    """The row's user, as the caller of the actions."""
    old = row.text("user_id")
    try:
        user_id = into.users.get(old) or UUID(old)
    except ValueError:
        raise UnreadableRow(f"user {old} is not in the user map") from None
    if await find_user(work.conn, into.tenant, user_id) is None:
        raise UnreadableRow(f"user {old} is not known in this tenant")
    return Identity(user_id, into.tenant, Role.AGENT, NO_SESSION)


async def _reminder(
    work: Work, user: Identity, _into: ScheduleImport, row: LegacyRow, now: datetime, new_id: UUID
) -> None:
    at, rule, zone = row.moment("remind_at"), row.get("recurrence"), row.get("time_zone")
    plan = ReminderPlan(
        lead_id=row.text("lead_id"),
        note=str(row.get("note") or ""),
        remind_at=at,
        recurrence=rule and str(rule),
        time_zone=zone and str(zone),
        begun=rule is not None and at < now - PAST,
    )
    await create_reminder(work, user, TenantUsers(work.conn, user.tenant_id), now, plan, id=new_id)


async def _call(work: Work, user: Identity, into: ScheduleImport, row: LegacyRow, now: datetime, new_id: UUID) -> None:
    call = CallPlan(
        contact_phone=requested_phone(row.text("contact_phone"), into.region, "body", "contact_phone"),
        scheduled_at=row.moment("scheduled_at"),
        note=str(row.get("note") or ""),
    )
    await plan_call(work, user, TenantUsers(work.conn, user.tenant_id), now, call, id=new_id)


async def _campaign(
    work: Work, user: Identity, into: ScheduleImport, row: LegacyRow, now: datetime, new_id: UUID
) -> None:
    body = NewCampaign(
        name=row.text("name"),
        template=row.text("template"),
        channel=row.get("channel"),
        audience=_audience(row),  # type: ignore[arg-type]  # checked by the model
        send_at=row.moment("send_at"),
        time_zone=row.get("time_zone"),
    )
    await plan_campaign(work, user, now, body, into.region, id=new_id)


def _audience(row: LegacyRow) -> dict[str, Any]:
    """The row's phones, else its tags. Never all contacts by default."""
    phones, tags = row.get("phones"), row.get("tags")
    if isinstance(phones, list):
        return {"phones": [each.get("phone") if isinstance(each, dict) else each for each in phones]}
    if isinstance(tags, list):
        return {"tags": tags}
    raise UnreadableRow("names no recipients")


_PLANS = {"reminder": _reminder, "call": _call, "campaign": _campaign}
