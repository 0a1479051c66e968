"""Changes of users, by admins and by themselves."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from auth.actions.sessions import end_sessions, invalidate_sessions
from auth.domain.events import user_updated
from auth.domain.session_invalidation import SessionInvalidation
from auth.domain.users import User
from auth.store import users
from switchboard.contracts.auth import RoleName
from switchboard.messaging.outbox.unit_of_work import Work


@dataclass(frozen=True, slots=True)
class UserChanges:
    """The fields that an admin changes. None: as it was."""

    name: str | None = None
    role: RoleName | None = None
    disabled: bool | None = None


async def change_user(
    work: Work, user_id: UUID, changes: UserChanges, *, by: RoleName, now: datetime
) -> tuple[User, list[SessionInvalidation]]:
    """Change a user on behalf of one with the role `by`. Raises `OwnerStays` or `RankTooLow`."""
    assert work.tenant_id is not None
    before = await users.lock(work.conn, work.tenant_id, user_id)
    before.check_may_be_changed_by(by)
    user = before if changes.name is None else before.renamed(changes.name)
    user = user if changes.role is None else user.with_role(changes.role, by)
    user = user if changes.disabled is None else user.with_disabled(changes.disabled)
    invalidations: list[SessionInvalidation] = []
    if user.disabled and not before.disabled:
        invalidations = await end_sessions(work, user_id, "disabled", now)
    elif user.version != before.version:
        invalidations = await invalidate_sessions(work, user_id, now)
    await save_changed(work, before, user)
    return user, invalidations


async def change_preferences(work: Work, user_id: UUID, changes: dict[str, Any]) -> User:
    """Change `name`, `notify_phone` or `time_zone` of a user. None clears the latter two, and keeps the name."""
    assert work.tenant_id is not None
    before = await users.lock(work.conn, work.tenant_id, user_id)
    user = replace(before, **{**changes, "name": changes.get("name") or before.name})
    await save_changed(work, before, user)
    return user


async def save_changed(work: Work, before: User, user: User) -> None:
    if user == before:
        return
    await users.save(work.conn, user)
    await work.publish(user_updated(user))
