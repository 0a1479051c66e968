"""OAuth sign-in: the settings of providers, and why a sign-in with one is refused.

A provider is set up by `OAUTH_<PROVIDER>_CLIENT_ID`, `_CLIENT_SECRET` and `_DISCOVERY_URL`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from switchboard.runtime.refusals import Conflict, Forbidden, Refusal

VARIABLE = re.compile(r"OAUTH_([A-Z0-9]+)_(CLIENT_ID|CLIENT_SECRET|DISCOVERY_URL)")
KNOWN_DISCOVERY = {"google": "https://accounts.google.com/.well-known/openid-configuration"}


class OAuthStateInvalid(Refusal):
    """This sign-in was not started in this browser in the last ten minutes, or it is finished already."""

    code = "oauth_state_invalid"
    status = 400


class ProviderRefused(Refusal):
    """The provider did not confirm an identity."""

    code = "oauth_refused"
    status = 400


class EmailUnverified(Forbidden):
    """The provider does not confirm that the email address is yours."""

    code = "oauth_email_unverified"


class LinkRequired(Conflict):
    """A user with this email address exists: sign in as that user, then link the provider's account."""

    code = "oauth_link_required"


class OAuthAccountTaken(Conflict):
    """This account of the provider, or its email address, belongs to another user."""

    code = "oauth_account_taken"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One provider, called `name` in paths."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    discovery_url: str


def read_providers(environment: Mapping[str, str]) -> tuple[ProviderSettings, ...]:
    """Read the providers from the environment. Raises ValueError with the name of a missing variable."""
    found: dict[str, dict[str, str]] = {}
    for variable, value in environment.items():
        if value and (match := VARIABLE.fullmatch(variable)):
            found.setdefault(match[1].lower(), {})[match[2]] = value
    return tuple(_provider(name, values) for name, values in sorted(found.items()))


def _provider(name: str, values: dict[str, str]) -> ProviderSettings:
    discovery = values.get("DISCOVERY_URL", KNOWN_DISCOVERY.get(name))
    for word, value in (("DISCOVERY_URL", discovery), *((w, values.get(w)) for w in ("CLIENT_ID", "CLIENT_SECRET"))):
        if not value:
            raise ValueError(f"OAUTH_{name.upper()}_{word} is missing")
    assert discovery is not None
    if not discovery.startswith(("https://", "http://")):
        raise ValueError(f"OAUTH_{name.upper()}_DISCOVERY_URL must be a URL")
    return ProviderSettings(name, values["CLIENT_ID"], values["CLIENT_SECRET"], discovery)
