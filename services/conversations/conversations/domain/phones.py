"""Phone numbers: every spelling becomes E.164, or is refused."""

from __future__ import annotations

from functools import lru_cache

import phonenumbers
from phonenumbers import PhoneNumberFormat

from switchboard.runtime.refusals import Invalid


class NotAPhone(ValueError):
    """No phone number can be read from this text."""


@lru_cache(maxsize=4096)
def to_e164(spelling: str, region: str | None = None) -> str:
    """`spelling` in E.164. `region` ("US") is where a number without a country is at home. Raises `NotAPhone`."""
    try:
        number = phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException as error:
        raise NotAPhone(f"{spelling!r} is not a phone number") from error
    if not phonenumbers.is_possible_number(number):
        raise NotAPhone(f"{spelling!r} is too short or too long for a phone number")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def from_file_name(stem: str, region: str | None) -> str:
    """The phone that a file of the original is named after: digits, often without a plus, in E.164. Raises `NotAPhone`.

    A name that is a valid number of the region is one; else it is read as digits that begin with a country code.
    """
    if stem.lstrip().startswith(("+", "00")):
        return to_e164(stem, region)
    try:
        number = phonenumbers.parse(stem, region)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_valid_number(number):
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    digits = "".join(c for c in stem if c.isdigit())
    try:
        international = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        international = None
    if international is not None and phonenumbers.is_valid_number(international):
        return phonenumbers.format_number(international, PhoneNumberFormat.E164)
    return to_e164(stem, region)


def requested_phone(spelling: str, region: str | None, *loc: str | int) -> str:
    """As `to_e164`, for a phone that a request names at `loc`. Raises `Invalid`."""
    try:
        return to_e164(spelling, region)
    except NotAPhone as error:
        raise Invalid.field("is not a phone number", *(loc or ("path", "phone"))) from error
