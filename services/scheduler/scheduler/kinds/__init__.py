"""The kinds of schedule: one table, one file each. A new kind is a new line here."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.kinds import reminder
from scheduler.kinds.firing import Kind

KINDS: Mapping[str, Kind] = {
    reminder.KIND: reminder.kind,
}
