"""OAuth providers by settings: `OAUTH_<PROVIDER>_CLIENT_ID`, `_CLIENT_SECRET`, `_DISCOVERY_URL`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

NAME = re.compile(r"OAUTH_([A-Z0-9]+)_(CLIENT_ID|CLIENT_SECRET|DISCOVERY_URL)")
KNOWN_DISCOVERY = {"google": "https://accounts.google.com/.well-known/openid-configuration"}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider, called `name` in paths."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    discovery_url: str


def providers_in(environment: Mapping[str, str]) -> tuple[ProviderSettings, ...]:
    """The providers that the environment tells of. Raises ValueError naming the variable that one lacks."""
    told: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        if value and (match := NAME.fullmatch(variable)):
            told.setdefault(match[1].lower(), {})[match[2]] = value
    return tuple(_provider(name, words) for name, words in sorted(told.items()))


def _provider(name: str, words: dict[str, str]) -> ProviderSettings:
    discovery = words.get("DISCOVERY_URL", KNOWN_DISCOVERY.get(name))
    for word, value in (("DISCOVERY_URL", discovery), *((w, words.get(w)) for w in ("CLIENT_ID", "CLIENT_SECRET"))):
        if not value:
            raise ValueError(f"OAUTH_{name.upper()}_{word} is missing")
    assert discovery is not None
    if not discovery.startswith(("https://", "http://")):
        raise ValueError(f"OAUTH_{name.upper()}_DISCOVERY_URL must be a URL")
    return ProviderSettings(name, words["CLIENT_ID"], words["CLIENT_SECRET"], discovery)
