"""Template fields of a campaign's recipient."""


def fields_of(phone: str, name: str | None) -> dict[str, str]:
    """The values of `switchboard.contracts.templates.FIELDS`; empty without a name."""
    known = (name or "").strip()
    return {"name": known, "first_name": known.partition(" ")[0], "phone": phone}
