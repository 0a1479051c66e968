"""A user's preferences as they are accepted: phone numbers in E.164, and time zones that exist."""

from switchboard.runtime.phones import NotAPhone, to_e164
from switchboard.runtime.time_zones import is_time_zone


def normalise_phone(text: str) -> str:
    """A phone number in E.164. Raises `ValueError` for one without a country code."""
    try:
        return to_e164(text)
    except NotAPhone:
        raise ValueError("must be a phone number with its country, such as +14155550100") from None


def check_time_zone(name: str) -> str:
    """The name of an IANA time zone. Raises `ValueError` for any other."""
    if not is_time_zone(name):
        raise ValueError("must be an IANA time zone, such as Europe/Berlin")
    return name
