"""The original's users as its database exports them: a JSON array, JSON lines, or CSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from pydantic import EmailStr, TypeAdapter, ValidationError

from auth.adapters.password_hashing import BCRYPT_MARKS
from auth.domain.preferences import known_zone, normalised
from auth.domain.users import cleaned_email
from switchboard.contracts.auth import RoleName

ROLES: dict[str, RoleName] = {
    "owner": "owner", "admin": "admin", "administrator": "admin",
    "agent": "agent", "user": "agent", "member": "agent", "": "agent",
}  # fmt: skip
KEPT_HASHES = (*BCRYPT_MARKS, "$argon2id$")
TRUE = (True, 1, "true", "t", "1")
FALSE = (False, 0, "false", "f", "0")

EMAIL: TypeAdapter[str] = TypeAdapter(EmailStr)

Row = Any  # meant to be a mapping, and looked at before it is taken for one


class Unreadable(Exception):
    """This row can't be brought in; the text says why."""


@dataclass(frozen=True, slots=True)
class OldUser:
    """A user of the original. `id`: the old one where it is a UUID, else one that always follows from it."""

    old_id: str
    id: UUID
    email: str
    name: str
    role: RoleName
    password_hash: str | None
    google_id: str | None
    disabled: bool
    notify_phone: str | None
    time_zone: str | None


def rows_in(file: Path) -> Iterator[Row]:
    """Raises `Unreadable` for a file that is none of these."""
    try:
        if file.suffix.lower() == ".csv":
            with file.open(newline="", encoding="utf-8-sig") as lines:
                yield from csv.DictReader(lines)
            return
        text = file.read_bytes()
        found = orjson.loads(text) if text.lstrip()[:1] == b"[" else [orjson.loads(line) for line in _lines(text)]
    except (OSError, ValueError, csv.Error) as error:
        raise Unreadable(f"{file}: {error}") from error
    yield from found


def user_in(row: Row) -> OldUser:
    """Raises `Unreadable`."""
    if not isinstance(row, Mapping):
        raise Unreadable("is no object")
    old_id = said(row, "id")
    if not old_id:
        raise Unreadable("has no id")
    try:
        email = cleaned_email(EMAIL.validate_python(said(row, "email")))
    except ValidationError:
        raise Unreadable("has no email address") from None
    role = ROLES.get(said(row, "role").lower())
    if role is None:
        raise Unreadable(f"has the unknown role {said(row, 'role')!r}")
    full = f"{said(row, 'firstName', 'first_name')} {said(row, 'lastName', 'last_name')}".strip()
    return OldUser(
        old_id=old_id,
        id=_id(old_id),
        email=email,
        name=(said(row, "name") or full or email.partition("@")[0])[:200],
        role=role,
        password_hash=_hash(said(row, "password", "passwordHash", "password_hash")),
        google_id=said(row, "googleId", "google_id") or None,
        disabled=row.get("disabled") in TRUE or row.get("isActive", row.get("is_active")) in FALSE,
        notify_phone=_if_good(normalised, said(row, "phone", "notify_phone")),
        time_zone=_if_good(known_zone, said(row, "timezone", "timeZone", "time_zone")),
    )


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip()]


def said(row: Row, *names: str) -> str:
    """The first of these fields that says something."""
    return next((str(row[name]).strip() for name in names if row.get(name) not in (None, "")), "")


def _id(old: str) -> UUID:
    try:
        return UUID(old)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"urn:switchboard:original-user:{old}")


def _hash(told: str) -> str | None:
    if told and not told.startswith(KEPT_HASHES):
        raise Unreadable("has a password that is neither a bcrypt nor an argon2id hash")
    return told or None


def _if_good(check: Any, text: str) -> str | None:
    """A preference that can't be read is left out: its user sets it again."""
    try:
        return str(check(text)) if text else None
    except ValueError:
        return None
