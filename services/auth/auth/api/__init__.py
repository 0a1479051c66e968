"""Auth's routes, joined from its resources."""

from collections.abc import Mapping

from auth.adapters.oauth_states import OAuthStates
from auth.adapters.oidc_providers import OidcProvider
from auth.adapters.password_hashing import PasswordHasher
from auth.adapters.session_cache import SessionCache
from auth.adapters.sign_in_metrics import SignInMetrics
from auth.adapters.sign_in_rate_limit import SignInRateLimit
from auth.adapters.signing_keys import PublicSigningKeys
from auth.api.account import OwnAccount
from auth.api.cookies import SessionCookie
from auth.api.internal import IdentityLookup
from auth.api.invitations import Invitations
from auth.api.oauth import OAuthSignIn
from auth.api.sessions import OwnSessions
from auth.api.sign_in import PasswordSignIn
from auth.api.sign_up import SignUp
from auth.api.users import UserAdministration
from auth.settings import Settings
from switchboard.http import Route
from switchboard.process.service import Service


def routes(
    service: Service,
    settings: Settings,
    keys: PublicSigningKeys,
    cache: SessionCache,
    passwords: PasswordHasher,
    providers: Mapping[str, OidcProvider],
) -> list[Route]:
    """All routes of auth."""
    database, trial = service.database, settings.trial_duration
    cookie = SessionCookie.for_url(settings.public_url, settings.session_duration)
    rate_limit = SignInRateLimit(service.redis, settings.failed_logins_by_address, settings.sign_ups_by_address)
    metrics = SignInMetrics(service.metrics.registry, providers)
    states = OAuthStates(service.redis, secure=cookie.secure)
    return [
        *SignUp(database, passwords, cookie, rate_limit, trial).routes(),
        *PasswordSignIn(database, passwords, rate_limit, cookie, metrics).routes(),
        *OAuthSignIn(database, providers, states, cookie, trial, metrics).routes(),
        *Invitations(database, passwords, cookie).routes(),
        *OwnSessions(database, cache, cookie).routes(),
        *OwnAccount(database, cache, passwords, rate_limit).routes(),
        *UserAdministration(database, cache).routes(),
        *IdentityLookup(database, keys).routes(),
    ]
