"""Phone numbers and time zones as they are accepted."""

import mimetypes
import zoneinfo
from datetime import UTC, datetime
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
import tzdata  # type: ignore[import-untyped]

from switchboard.process import open_service
from switchboard.runtime.phones import NotAPhone, known_region, requested_phone, to_e164
from switchboard.runtime.pinned_data import data_versions
from switchboard.runtime.refusals import Invalid
from switchboard.runtime.settings import ServiceSettings
from switchboard.runtime.time_zones import TIME_ZONE_RULES, find_time_zone, is_time_zone, to_local


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


@pytest.mark.parametrize("name", ["America/Winnipeg", "America/Edmonton", "America/Havana", "Africa/El_Aaiun"])
def test_time_zones_are_those_of_the_pinned_package(name: str) -> None:
    in_january = datetime(2027, 1, 15, 12, tzinfo=UTC)

    with resources.files("tzdata.zoneinfo").joinpath(name).open("rb") as file:
        pinned = ZoneInfo.from_file(file)

    assert zoneinfo.TZPATH == ()
    assert to_local(in_january, name) == in_january.astimezone(pinned).replace(tzinfo=None)
    assert data_versions()["time_zones"] == TIME_ZONE_RULES == tzdata.IANA_VERSION


def test_media_types_are_not_those_of_the_machine() -> None:
    assert mimetypes.inited
    assert mimetypes.guess_type("a.pcap") == (None, None)  # known to /etc/mime.types alone


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "../../etc/passwd", "localtime", "Factory", "UTC ", "europe/berlin", ""]
)
def test_a_name_that_is_no_iana_zone_is_no_time_zone(name: str) -> None:
    assert is_time_zone("Europe/Berlin")
    assert not is_time_zone(name)
    assert find_time_zone(name) is None


async def test_a_service_shows_the_versions_of_its_data() -> None:
    async with open_service("demo", ServiceSettings(app_instance_id="demo-1", port=0)) as service:
        service.health.mark_ready()
        _, report = await service.health.report()
        metrics = (await service.metrics.exposition(service.health)).decode()

    assert report["data"]["time_zones"] == TIME_ZONE_RULES
    assert report["data"].keys() == {"time_zones", "phone_numbers", "domain_names", "media_types"}
    assert f'pinned_data_info{{data="time_zones",version="{TIME_ZONE_RULES}"}} 1.0' in metrics
