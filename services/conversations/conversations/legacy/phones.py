"""The phone number in the name of a legacy file."""

import phonenumbers
from phonenumbers import PhoneNumberFormat

from switchboard.runtime.phones import read_e164


def phone_of_file_name(stem: str, region: str | None) -> str:
    """The phone in a file's name: digits, often without a plus, as E.164. Raises `NotAPhone`.

    A valid number of the region is one; other digits are read as beginning with a country code.
    """
    if stem.lstrip().startswith(("+", "00")):
        return read_e164(stem, region)
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
    return read_e164(stem, region)
