"""Phone numbers in the one spelling that is kept, and time zones that exist."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

import phonenumbers


def normalised(text: str) -> str:
    """E.164. Raises ValueError for what is no full number with its country."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise ValueError("must be a phone number with its country, such as +14155550100") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("must be a phone number with its country, such as +14155550100")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def known_zone(name: str) -> str:
    """An IANA time zone. Raises ValueError for what is none."""
    if name not in _zones():
        raise ValueError("must be an IANA time zone, such as Europe/Berlin")
    return name


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
