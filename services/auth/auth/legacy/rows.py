"""Reads users as the legacy platform's database exports them: a JSON array, JSON lines, or CSV with a header."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from pydantic import EmailStr, TypeAdapter, ValidationError

from auth.adapters.password_hashing import BCRYPT_PREFIXES
from auth.domain.preferences import check_time_zone, normalise_phone
from auth.domain.users import normalise_email
from switchboard.contracts.auth import RoleName

ROLES: dict[str, RoleName] = {
    "owner": "owner", "admin": "admin", "administrator": "admin",
    "agent": "agent", "user": "agent", "member": "agent", "": "agent",
}  # fmt: skip
KEPT_HASHES = (*BCRYPT_PREFIXES, "$argon2id$")
TRUE = (True, 1, "true", "t", "1")
FALSE = (False, 0, "false", "f", "0")

EMAIL: TypeAdapter[str] = TypeAdapter(EmailStr)

Row = Any  # checked to be a mapping in `read_user`


class UnreadableUser(Exception):
    """A row that can't be imported; the text is the reason."""


@dataclass(frozen=True, slots=True)
class LegacyUser:
    """A user of the legacy platform. `id`: the old id if it is a UUID, else a UUID derived from it."""

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


def read_rows(file: Path) -> Iterator[Row]:
    """Read a file. Raises `UnreadableUser` for any other format."""
    try:
        if file.suffix.lower() == ".csv":
            with file.open(newline="", encoding="utf-8-sig") as lines:
                yield from csv.DictReader(lines)
            return
        text = file.read_bytes()
        found = orjson.loads(text) if text.lstrip()[:1] == b"[" else [orjson.loads(line) for line in _lines(text)]
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableUser(f"{file}: {error}") from error
    yield from found


def read_user(row: Row) -> LegacyUser:
    """Read a row. Raises `UnreadableUser`."""
    if not isinstance(row, Mapping):
        raise UnreadableUser("is no object")
    old_id = field_of(row, "id")
    if not old_id:
        raise UnreadableUser("has no id")
    try:
        email = normalise_email(EMAIL.validate_python(field_of(row, "email")))
    except ValidationError:
        raise UnreadableUser("has no email address") from None
    role = ROLES.get(field_of(row, "role").lower())
    if role is None:
        raise UnreadableUser(f"has the unknown role {field_of(row, 'role')!r}")
    full = f"{field_of(row, 'firstName', 'first_name')} {field_of(row, 'lastName', 'last_name')}".strip()
    return LegacyUser(
        old_id=old_id,
        id=_id(old_id),
        email=email,
        name=(field_of(row, "name") or full or email.partition("@")[0])[:200],
        role=role,
        password_hash=_hash(field_of(row, "password", "passwordHash", "password_hash")),
        google_id=field_of(row, "googleId", "google_id") or None,
        disabled=row.get("disabled") in TRUE or row.get("isActive", row.get("is_active")) in FALSE,
        notify_phone=_if_valid(normalise_phone, field_of(row, "phone", "notify_phone")),
        time_zone=_if_valid(check_time_zone, field_of(row, "timezone", "timeZone", "time_zone")),
    )


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if line.strip()]


def field_of(row: Row, *names: str) -> str:
    """The first of these fields that is not empty."""
    return next((str(row[name]).strip() for name in names if row.get(name) not in (None, "")), "")


def _id(old: str) -> UUID:
    try:
        return UUID(old)
    except ValueError:
        return uuid5(NAMESPACE_URL, f"urn:switchboard:original-user:{old}")


def _hash(text: str) -> str | None:
    if text and not text.startswith(KEPT_HASHES):
        raise UnreadableUser("has a password that is neither a bcrypt nor an argon2id hash")
    return text or None


def _if_valid(check: Any, text: str) -> str | None:
    """A preference that is invalid is left out; its user can set it again."""
    try:
        return str(check(text)) if text else None
    except ValueError:
        return None
