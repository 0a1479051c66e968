"""What a campaign's template may say of its recipient."""

from __future__ import annotations


def fields_of(phone: str, name: str | None) -> dict[str, str]:
    """The values of `switchboard.contracts.templates.FIELDS`; empty where nothing is known."""
    known = (name or "").strip()
    return {"name": known, "first_name": known.partition(" ")[0], "phone": phone}
