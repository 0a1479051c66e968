"""`import-schedules`: each row once, as if its user had planned it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from scheduler.actions.calls import plan_call
from scheduler.actions.campaigns import plan_campaign
from scheduler.actions.planning import PAST, recurrence_of, zone_of
from scheduler.actions.reminders import create_reminder
from scheduler.api.campaigns import NewCampaign, plan_of
from scheduler.domain.schedules import Misfire
from scheduler.legacy.rows import Row, Unreadable
from scheduler.store import schedules
from switchboard.http.identity import Identity, Role
from switchboard.messaging.outbox.unit_of_work import Work, open_work
from switchboard.postgres.database import Database
from switchboard.replica.user_directory import TenantUsers
from switchboard.replica.user_replica import find_user
from switchboard.runtime.phones import requested_phone
from switchboard.runtime.refusals import Refusal

NO_SESSION = UUID(int=0)


class _Undone(Exception):
    """Ends a dry run's transaction."""


@dataclass(frozen=True)
class Import:
    """Into which tenant, for whom, and where phones without a country are at home."""

    tenant: UUID
    users: Mapping[str, UUID]
    region: str
    dry: bool = False


@dataclass
class Tally:
    """What became of the rows."""

    planned: int = 0
    known: int = 0
    over: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


async def import_row(database: Database, plan: Import, row: Row, tally: Tally, now: datetime) -> None:
    """Plan it, unless it is over in the original or was brought in before. What is wrong with it is kept in `tally`."""
    if not row.is_waiting:
        tally.over += 1
        return
    try:
        async with open_work(database, tenant_id=plan.tenant) as work:
            if await _plan(work, plan, row, now):
                tally.planned += 1
            else:
                tally.known += 1
            if plan.dry:
                raise _Undone
    except _Undone:
        pass
    except Unreadable as error:
        tally.broken.append((row.place, str(error)))
    except Refusal as refusal:
        wrong = [f"{each['loc'][-1]} {each['msg']}" for each in refusal.errors]
        tally.broken.append((row.place, "; ".join(wrong) or refusal.detail))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)]
        tally.broken.append((row.place, "; ".join(wrong)))


async def _plan(work: Work, plan: Import, row: Row, now: datetime) -> bool:
    """Whether it is new here."""
    old_id = row.get("id") or orjson.dumps(row.fields, option=orjson.OPT_SORT_KEYS).decode()
    new_id = uuid5(plan.tenant, f"{row.kind}/{old_id}")
    if await schedules.find_any(work.conn, new_id) is not None:
        return False
    await _PLANS[row.kind](work, await _user(work, plan, row), plan, row, now, new_id)
    return True


async def _user(work: Work, plan: Import, row: Row) -> Identity:
    """Whose it was, as the caller of the same routes that users have."""
    old = row.text("user_id")
    try:
        user_id = plan.users.get(old) or UUID(old)
    except ValueError:
        raise Unreadable(f"user {old} is not in the user map") from None
    if await find_user(work.conn, plan.tenant, user_id) is None:
        raise Unreadable(f"user {old} is not known in this tenant")
    return Identity(user_id, plan.tenant, Role.AGENT, NO_SESSION)


async def _reminder(work: Work, user: Identity, _plan: Import, row: Row, now: datetime, new_id: UUID) -> None:
    at, rule = row.moment("remind_at"), row.get("recurrence")
    zone = row.get("time_zone")
    if rule is not None and at < now - PAST:  # a series goes on with its next occurrence
        zone_kept = await zone_of(TenantUsers(work.conn, user.tenant_id), zone, user.user_id, of_series=True)
        series = recurrence_of(str(rule), zone_kept, at)
        at = (series and series.next_after(now)) or at
    await create_reminder(
        work,
        user,
        TenantUsers(work.conn, user.tenant_id),
        now,
        lead_id=row.text("lead_id"),
        note=str(row.get("note") or ""),
        remind_at=at,
        user_id=None,
        recurrence=rule and str(rule),
        time_zone=zone and str(zone),
        misfire=Misfire.FIRE_LATE,
        id=new_id,
    )


async def _call(work: Work, user: Identity, plan: Import, row: Row, now: datetime, new_id: UUID) -> None:
    await plan_call(
        work,
        user,
        TenantUsers(work.conn, user.tenant_id),
        now,
        contact_phone=requested_phone(row.text("contact_phone"), plan.region, "body", "contact_phone"),
        scheduled_at=row.moment("scheduled_at"),
        note=str(row.get("note") or ""),
        user_id=None,
        misfire=Misfire.FIRE_LATE,
        id=new_id,
    )


async def _campaign(work: Work, user: Identity, plan: Import, row: Row, now: datetime, new_id: UUID) -> None:
    body = NewCampaign(
        name=row.text("name"),
        template=row.text("template"),
        channel=row.get("channel"),
        audience=_audience(row),  # type: ignore[arg-type]  # checked by the model
        send_at=row.moment("send_at"),
        time_zone=row.get("time_zone"),
    )
    await plan_campaign(work, user, now, plan_of(body, plan.region), id=new_id)


def _audience(row: Row) -> dict[str, Any]:
    """The phones it names, else its tags: never everybody by default."""
    phones, tags = row.get("phones"), row.get("tags")
    if isinstance(phones, list):
        return {"phones": [each.get("phone") if isinstance(each, dict) else each for each in phones]}
    if isinstance(tags, list):
        return {"tags": tags}
    raise Unreadable("names no recipients")


_PLANS = {"reminder": _reminder, "call": _call, "campaign": _campaign}
