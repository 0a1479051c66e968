"""Phone numbers: every spelling becomes E.164, or is refused."""

from __future__ import annotations

import phonenumbers
from phonenumbers import PhoneNumberFormat

from switchboard.runtime.refusals import Invalid


def to_e164(spelling: str, region: str | None, *loc: str | int) -> str:
    """`region` ("US") is where a number without a country is at home. Raises `Invalid`, naming `loc` of the body."""
    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise Invalid.field("is not a phone number", "body", *loc)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
