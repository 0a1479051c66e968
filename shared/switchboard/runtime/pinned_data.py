"""Pinned data: tables that come with pinned packages and are loaded from there, never from the machine's own files.

Time zones, media types, phone numbers and internationalised domain names mean the same on every machine, and change
with `requirements/base.txt` alone. Python would prefer the machine's time zones (see `time_zones`) and media types.
The versions are shown in `/health` and in metrics, and logged at the start.
"""

import mimetypes
import platform
from functools import cache
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge

from switchboard.runtime.time_zones import TIME_ZONE_RULES

mimetypes.knownfiles.clear()
mimetypes.init()


@cache
def data_versions() -> dict[str, str]:
    """The edition of each table, by its name."""
    return {
        "time_zones": TIME_ZONE_RULES,
        "phone_numbers": version("phonenumbers"),
        "domain_names": version("idna"),
        "media_types": f"python-{platform.python_version()}",
    }


def show_data_versions(registry: CollectorRegistry) -> None:
    """Add the metric `pinned_data_info`: 1 for each table in use, with its version."""
    gauge = Gauge(
        "pinned_data_info", "The version of each table of data in use", ("data", "version"), registry=registry
    )
    for name, edition in data_versions().items():
        gauge.labels(name, edition).set(1)
