"""OpenID providers, by Authlib: authorization code with PKCE and nonce; ID tokens verified by the provider's keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

import httpx
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from auth.domain.provider_settings import ProviderSettings
from auth.domain.users import ProviderRefused
from switchboard.runtime.unavailable import Unavailable

SCOPE = "openid email profile"
SIGNED_BY = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
ANSWER_SECONDS = 5.0
METADATA_SECONDS = 3600.0
LEAST_PAUSE = 5.0  # between two fetches of keys
LEEWAY = 30  # seconds that two clocks may differ

log = structlog.get_logger(__name__)


class ProviderUnavailable(Unavailable):
    """The provider can't be reached."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a provider vouches for. `email_verified`: it says that the address is theirs."""

    subject: str
    email: str | None
    email_verified: bool
    name: str | None


class Provider:
    """One OpenID provider. Its metadata and keys are fetched when needed and kept."""

    def __init__(self, settings: ProviderSettings, client: AsyncOAuth2Client) -> None:
        self.name = settings.name
        self._settings = settings
        self._client = client
        self._metadata: dict[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys: KeySet | None = None
        self._keys_at = float("-inf")

    async def authorization_url(self, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises `ProviderUnavailable`."""
        metadata = await self._metadata_now()
        url, _ = self._client.create_authorization_url(
            metadata["authorization_endpoint"],
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
            scope=SCOPE,
        )
        return str(url)

    async def person(self, code: str, redirect_uri: str, nonce: str, verifier: str) -> Person:
        """The person that the code identifies. Raises `ProviderRefused` or `ProviderUnavailable`."""
        metadata = await self._metadata_now()
        try:
            tokens = await self._client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=verifier,
            )
        except OAuthError as refused:
            raise ProviderRefused(f"The provider refused the code: {refused.error}.") from refused
        except (httpx.HTTPError, ValueError) as trouble:  # also an answer that is no JSON object
            raise ProviderUnavailable(f"{self.name} can't be reached: {trouble}") from trouble
        claims = await self._claims(str(tokens.get("id_token", "")), str(metadata["issuer"]), nonce)
        email = claims.get("email")
        return Person(
            subject=str(claims["sub"]),
            email=str(email) if email else None,
            email_verified=claims.get("email_verified") in (True, "true"),
            name=str(claims["name"]) if claims.get("name") else None,
        )

    async def _claims(self, id_token: str, issuer: str, nonce: str) -> dict[str, Any]:
        try:
            claims = await self._verified(id_token)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": issuer},
                aud={"essential": True, "value": self._settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, KeyError) as wrong:
            log.warning("id_token_refused", provider=self.name, reason=str(wrong))
            raise ProviderRefused("The provider's ID token is not valid for this log-in.") from wrong
        return claims

    async def _verified(self, id_token: str) -> dict[str, Any]:
        """Its claims, by keys that may just have been rotated."""
        keys = self._keys or await self._keys_anew()
        try:
            return dict(jwt.decode(id_token, keys, algorithms=SIGNED_BY).claims)
        except (JoseError, ValueError):
            if monotonic() - self._keys_at < LEAST_PAUSE:
                raise
        return dict(jwt.decode(id_token, await self._keys_anew(), algorithms=SIGNED_BY).claims)

    async def _keys_anew(self) -> KeySet:
        metadata = await self._metadata_now()
        self._keys = KeySet.import_key_set(cast("Any", await self._get(str(metadata["jwks_uri"]))))
        self._keys_at = monotonic()
        return self._keys

    async def _metadata_now(self) -> dict[str, Any]:
        if monotonic() - self._metadata_at > METADATA_SECONDS:
            metadata = await self._get(self._settings.discovery_url)
            missing = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} - metadata.keys()
            if missing:
                raise ProviderUnavailable(f"{self.name} doesn't tell its {', '.join(sorted(missing))}")
            self._metadata, self._metadata_at = metadata, monotonic()
        return self._metadata

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.request("GET", url, withhold_token=True)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as trouble:
            raise ProviderUnavailable(f"{self.name} can't be reached: {trouble}") from trouble
        if not isinstance(found, dict):
            raise ProviderUnavailable(f"{self.name} tells nonsense at {url}")
        return found


@asynccontextmanager
async def open_providers(settings: Sequence[ProviderSettings]) -> AsyncIterator[Mapping[str, Provider]]:
    """By name, each with a client of its own."""
    async with AsyncExitStack() as stack:
        providers: dict[str, Provider] = {}
        for one in settings:
            client = AsyncOAuth2Client(
                one.client_id, one.client_secret, code_challenge_method="S256", timeout=ANSWER_SECONDS
            )
            providers[one.name] = Provider(one, await stack.enter_async_context(client))
        yield providers
