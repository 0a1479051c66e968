"""Phone numbers and time zones as they are accepted."""

import pytest

from switchboard.runtime.phones import NotAPhone, known_region, requested_phone, to_e164
from switchboard.runtime.refusals import Invalid
from switchboard.runtime.time_zones import find_time_zone, is_time_zone


@pytest.mark.parametrize("spelling", ["+1 415 555 0100", "(415) 555-0100", "415-555-0100"])
def test_each_spelling_of_a_phone_becomes_e164(spelling: str) -> None:
    assert to_e164(spelling, "US") == "+14155550100"


@pytest.mark.parametrize(("spelling", "region"), [("call me", "US"), ("12", "US"), ("415 555 0100", None)])
def test_text_that_is_no_phone_is_refused(spelling: str, region: str | None) -> None:
    with pytest.raises(NotAPhone):
        to_e164(spelling, region)


def test_a_refused_phone_of_a_request_names_its_place() -> None:
    with pytest.raises(Invalid) as refused:
        requested_phone("call me", "US", "body", "contact_phone")

    assert refused.value.errors[0]["loc"] == ["body", "contact_phone"]


def test_a_region_is_a_country_in_upper_case() -> None:
    assert known_region("de") == "DE"
    with pytest.raises(ValueError, match="two letters"):
        known_region("XX")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "localtime", ""])
def test_a_name_that_is_no_iana_zone_is_no_time_zone(name: str) -> None:
    assert is_time_zone("Europe/Berlin")
    assert not is_time_zone(name)
    assert find_time_zone(name) is None
