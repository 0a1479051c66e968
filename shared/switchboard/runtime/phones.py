"""Phone numbers: each spelling becomes E.164 or is refused."""

import re
from functools import lru_cache
from typing import Annotated

import phonenumbers
from phonenumbers import PhoneNumberFormat
from pydantic import AfterValidator

from switchboard.runtime.refusals import Invalid

_ABROAD = re.compile(r"\s*\(?0\s*0[\s)]*(?=[1-9])")


class NotAPhone(ValueError):
    """No phone number can be read from this text."""


@lru_cache(maxsize=4096)
def to_e164(spelling: str, region: str | None = None) -> str:
    """The number in E.164. `region` ("US"): the country of a number without a country code. Raises `NotAPhone`.

    The prefix 00, with which most of the world dials abroad, is understood in every region.
    """
    number = _parse(spelling, region)
    if not phonenumbers.is_possible_number(number) and (abroad := _ABROAD.match(spelling)):
        number = _parse("+" + spelling[abroad.end() :], region)
    if not phonenumbers.is_possible_number(number):
        raise NotAPhone(f"{spelling!r} is too short or too long for a phone number")
    if number.extension:
        raise NotAPhone(f"{spelling!r} has an extension, which no message reaches")
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _parse(spelling: str, region: str | None) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(spelling, region)
    except phonenumbers.NumberParseException as error:
        if region is None and (abroad := _ABROAD.match(spelling)):
            return _parse("+" + spelling[abroad.end() :], region)
        raise NotAPhone(f"{spelling!r} is not a phone number") from error


def requested_phone(spelling: str, region: str | None, *loc: str | int) -> str:
    """The number at `loc` of a request ("body", "phone") in E.164. Raises `Invalid`, which names `loc`."""
    try:
        return to_e164(spelling, region)
    except NotAPhone as error:
        raise Invalid.field("is not a phone number", *loc) from error


def known_region(region: str) -> str:
    """The code of a country in upper case. Raises `ValueError` if there is no such country."""
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country's two letters, such as US")
    return region.upper()


Region = Annotated[str, AfterValidator(known_region)]
"""A setting that holds a country's two letters."""
