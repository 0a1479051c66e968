"""Phone numbers: each spelling becomes E.164 or is refused.

A number that somebody enters must be able to exist (`to_e164`). One that was stored before, or that a provider reports,
must only be readable (`read_e164`): metadata about numbering plans is never complete, and what is there stays there.
"""

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


_NORTH_AMERICA = 1
_NORTH_AMERICAN_NUMBER = re.compile(r"[2-9]\d\d[2-9]\d{6}")
"""Area code and central office code never begin with 0 or 1 (North American Numbering Plan)."""

_MEXICAN_MOBILE = re.compile(r"(\+|00)\s*52[\s-]*1([\s-]*\d){10}\s*")
"""As it was dialled from abroad until 2019, and as WhatsApp still reports it."""

# One line in two spellings. Mobile numbers of Argentina have a 9 when they are dialled from abroad, those of Brazil got
# a ninth digit.
_TWO_SPELLINGS = (
    (re.compile(r"\+549(\d{10})"), r"+54\1", re.compile(r"\+54([1-8]\d{9})"), r"+549\1"),
    (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2", re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
)


def spellings_of(number: str) -> tuple[str, ...]:
    """All spellings in E.164 of the line that this number in E.164 belongs to, itself first.

    The function `spellings_of` of the conversations database does the same.
    """
    for longer, to_shorter, shorter, to_longer in _TWO_SPELLINGS:
        if longer.fullmatch(number):
            return number, longer.sub(to_shorter, number)
        if shorter.fullmatch(number):
            return number, shorter.sub(to_longer, number)
    return (number,)


@lru_cache(maxsize=4096)
def to_e164(spelling: str, region: str | None = None) -> str:
    """The number in E.164, if its country's numbering plan may have it. Raises `NotAPhone`.

    `region` ("US"): the country of a number without a country code.
    """
    e164 = read_e164(spelling, region)
    if not is_possible(e164):
        raise NotAPhone(f"{spelling!r} is no number of its country's numbering plan")
    return e164


def is_possible(e164: str) -> bool:
    """Whether a number's country may have it: it is in a known range, or fits the numbering plan as a whole."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) or _may_exist(number)


def _may_exist(number: phonenumbers.PhoneNumber) -> bool:
    national = phonenumbers.national_significant_number(number)
    if number.country_code == _NORTH_AMERICA:
        return _NORTH_AMERICAN_NUMBER.fullmatch(national) is not None
    code = number.country_code or 0
    metadata = phonenumbers.PhoneMetadata
    plans = [metadata.metadata_for_nongeo_region(code)]
    plans += [metadata.metadata_for_region(region) for region in phonenumbers.region_codes_for_country_code(code)]
    patterns = (plan.general_desc.national_number_pattern for plan in plans if plan and plan.general_desc)
    return any(pattern and re.fullmatch(pattern, national) for pattern in patterns)


@lru_cache(maxsize=4096)
def read_e164(spelling: str, region: str | None = None) -> str:
    """The number in E.164, whether or not such a number can exist. Raises `NotAPhone`.

    `region` ("US"): the country of a number without a country code. The prefix 00, with which most of the world dials
    abroad, is understood in every region.
    """
    if _MEXICAN_MOBILE.fullmatch(spelling):
        spelling = re.sub(r"1", "", spelling, count=1)
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


_ADDRESS = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z &+_.-]{0,18}[0-9A-Za-z])?", re.ASCII)


def read_address(spelling: str, region: str | None = None) -> str:
    """The address of a sender: a number in E.164, or else a short code ("68849") or a name ("SUPPORT") as it is.

    Raises `NotAPhone` for text that is none of these.
    """
    try:
        return read_e164(spelling, region)
    except NotAPhone:
        if (address := _ADDRESS.fullmatch(spelling.strip())) is None:
            raise
        return address.group()


def requested_address(spelling: str, region: str | None, *loc: str | int) -> str:
    """The address at `loc` of a request that reads what is stored. Raises `Invalid`, which names `loc`."""
    try:
        return read_address(spelling, region)
    except NotAPhone as error:
        raise Invalid.field("is neither a phone number nor the address of a sender", *loc) from error


def requested_phone(spelling: str, region: str | None, *loc: str | int) -> str:
    """The number at `loc` of a request ("body", "phone") in E.164. Raises `Invalid`, which names `loc`."""
    try:
        return to_e164(spelling, region)
    except NotAPhone as error:
        raise Invalid.field("is not a phone number that messages reach", *loc) from error


def known_region(region: str) -> str:
    """The code of a country in upper case. Raises `ValueError` if there is no such country."""
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country's two letters, such as US")
    return region.upper()


Region = Annotated[str, AfterValidator(known_region)]
"""A setting that holds a country's two letters."""
