"""Read rows of the legacy platform, under the field names of our API.

Its tables have no fixed export format, so the common spellings are accepted: camelCase, as Prisma writes it, or
snake_case; files `campaigns`, `reminders` and `calls`, each `.json` (an array) or `.ndjson`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

FILES = {"campaign": "campaigns", "reminder": "reminders", "call": "calls"}
WAITING = {"", "scheduled", "pending", "active", "planned"}
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "user_id": ("user_id", "created_by", "created_by_id", "assigned_to", "owner_id"),
    "status": ("status",),
    "time_zone": ("time_zone", "timezone"),
    "recurrence": ("recurrence", "rrule"),
    "lead_id": ("lead_id",),
    "note": ("note", "notes", "message", "title"),
    "remind_at": ("remind_at", "reminder_at", "reminder_date", "scheduled_at", "due_at"),
    "contact_phone": ("contact_phone", "phone", "phone_number", "to"),
    "scheduled_at": ("scheduled_at", "scheduled_for", "scheduled_time", "call_at"),
    "name": ("name", "title"),
    "template": ("template", "message", "message_template", "body"),
    "send_at": ("send_at", "scheduled_at", "scheduled_for", "start_at"),
    "channel": ("channel",),
    "phones": ("phones", "recipients", "contacts"),
    "tags": ("tags",),
}


class UnreadableRow(Exception):
    """A row can't be read. The text says why."""


@dataclass(frozen=True)
class LegacyRow:
    """One row of the legacy platform. `place`: file and index, for the report."""

    kind: str
    place: str
    fields: Mapping[str, Any]

    def get(self, name: str) -> Any:
        """The field under any of its names; None if it is missing or empty."""
        found = (self.fields.get(each) for each in NAMES[name])
        return next((value for value in found if value not in (None, "", [])), None)

    def need(self, name: str) -> Any:
        """A field that is required. Raises `UnreadableRow`."""
        value = self.get(name)
        if value is None:
            raise UnreadableRow(f"has no {name}")
        return value

    def text(self, name: str) -> str:
        """A required field as text. Raises `UnreadableRow`."""
        return str(self.need(name))

    def moment(self, name: str) -> datetime:
        """A required time, in UTC unless it has a zone. Raises `UnreadableRow`."""
        value = self.need(name)
        try:
            if isinstance(value, int | float):  # milliseconds, as JavaScript counts
                return datetime.fromtimestamp(value / 1000, UTC)
            at = datetime.fromisoformat(str(value))
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError, OSError):
            raise UnreadableRow(f"{name} is not a time") from None

    @property
    def is_waiting(self) -> bool:
        """Whether it was still to come in the legacy platform."""
        status = str(self.get("status") or "").lower()
        return status in WAITING and not any(self.fields.get(name) for name in ("sent", "completed", "is_completed"))


def list_rows(folder: Path) -> tuple[list[LegacyRow], list[tuple[str, str]]]:
    """All rows, and (place, reason) of those that can't be read."""
    rows: list[LegacyRow] = []
    broken: list[tuple[str, str]] = []
    for kind, name in FILES.items():
        for path in (folder / f"{name}.json", folder / f"{name}.ndjson"):
            if not path.exists():
                continue
            try:
                read = list(enumerate(_values(path)))
            except (ValueError, OSError) as error:
                broken.append((path.name, str(error)))
                continue
            rows += [
                LegacyRow(kind, f"{path.name}[{n}]", _snake(value)) for n, value in read if isinstance(value, dict)
            ]
            broken += [(f"{path.name}[{n}]", "is no object") for n, value in read if not isinstance(value, dict)]
    return rows, broken


def _values(path: Path) -> Iterator[Any]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if path.suffix == ".ndjson":
        return map(orjson.loads, filter(None, map(bytes.strip, content.splitlines())))
    values = orjson.loads(content)
    if not isinstance(values, list):
        raise ValueError("is no array")
    return iter(values)


def _snake(fields: dict[str, Any]) -> dict[str, Any]:
    return {re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower(): value for name, value in fields.items()}
