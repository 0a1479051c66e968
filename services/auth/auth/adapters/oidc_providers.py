"""OpenID Connect providers, with Authlib: authorization code flow with PKCE and nonce, ID tokens verified by the
provider's keys."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Any, Literal, cast

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, BeforeValidator, EmailStr, StrictBool, StringConstraints, ValidationError

from auth.adapters.authlib_client import AsyncOAuth2Client, OAuthError
from auth.domain.oauth import ProviderRefused, ProviderSettings
from switchboard.runtime.unavailable import Unavailable

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
ANSWER_SECONDS = 5.0
METADATA_SECONDS = 3600.0
MOST_NAME = 200
KEY_PAUSE = 5.0  # seconds between two fetches of keys
LEEWAY = 30  # seconds that two clocks may differ

log = structlog.get_logger(__name__)


class ProviderUnavailable(Unavailable):
    """The provider can't be reached, or its answer can't be read."""


@dataclass(frozen=True, slots=True)
class OidcProfile:
    """The person whom a provider has identified. `email_verified`: the provider confirms that the address is theirs."""

    subject: str
    email: str | None
    email_verified: bool
    name: str | None


def _shown(name: object) -> str | None:
    """A name as it can be kept: without control characters, and shortened. Providers promise nothing about it."""
    text = "".join(character for character in str(name) if character.isprintable()) if isinstance(name, str) else ""
    return text.strip()[:MOST_NAME] or None


class PersonClaims(BaseModel):
    """The claims of an ID token that name a person (OpenID Connect Core 1.0, 2 and 5.1)."""

    sub: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[\x20-\x7e]+$", strict=True)]
    aud: str | list[str]
    azp: Annotated[str, StringConstraints(strict=True)] | None = None
    email: EmailStr | Literal[""] | None = None
    email_verified: StrictBool | Literal["true", "false"] | None = None
    name: Annotated[str | None, BeforeValidator(_shown)] = None


class OidcProvider:
    """One provider. Its metadata and keys are fetched when they are needed, and cached."""

    def __init__(
        self, settings: ProviderSettings, client: AsyncOAuth2Client, redirect_uri: str, key_pause: float
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._client = client
        self._redirect_uri = redirect_uri
        self._key_pause = key_pause
        self._metadata: dict[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys: KeySet | None = None
        self._keys_at = float("-inf")

    async def authorization_url(self, state: str, nonce: str, verifier: str) -> str:
        """The URL that the browser is sent to. Raises `ProviderUnavailable`."""
        metadata = await self._current_metadata()
        url, _ = self._client.create_authorization_url(
            metadata["authorization_endpoint"],
            state=state,
            nonce=nonce,
            code_verifier=verifier,
            redirect_uri=self._redirect_uri,
            scope=SCOPE,
        )
        return str(url)

    async def fetch_profile(self, code: str, nonce: str, verifier: str) -> OidcProfile:
        """The person whom the code identifies. Raises `ProviderRefused` or `ProviderUnavailable`."""
        metadata = await self._current_metadata()
        try:
            tokens = await self._client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                redirect_uri=self._redirect_uri,
                code_verifier=verifier,
            )
        except OAuthError as refused:
            raise ProviderRefused(f"The provider refused the code: {refused.error}.") from refused
        except (httpx.HTTPError, ValueError) as error:  # also an answer that is no JSON object
            raise ProviderUnavailable(f"{self.name} can't be reached: {error}") from error
        claims = await self._claims(str(tokens.get("id_token", "")), str(metadata["issuer"]), nonce)
        try:
            person = PersonClaims.model_validate(claims)
        except ValidationError as wrong:
            fields = sorted({str(error["loc"][0]) for error in wrong.errors(include_input=False)})
            log.warning("id_token_refused", provider=self.name, reason=f"malformed: {', '.join(fields)}")
            raise ProviderRefused(f"The provider's ID token has no usable {', '.join(fields)}.") from wrong
        if not self._is_issued_to_us(person):
            log.warning("id_token_refused", provider=self.name, reason="it was issued to another party (azp)")
            raise ProviderRefused("The provider's ID token was issued to another party.")
        return OidcProfile(
            subject=person.sub,
            email=person.email or None,
            email_verified=person.email_verified in (True, "true"),
            name=person.name,
        )

    async def check_issuer(self, issuer: str | None) -> None:
        """Raises `ProviderRefused` if a redirect says that it comes from another issuer (RFC 9207).

        It must name its issuer if the provider's metadata promise that.
        """
        metadata = await self._current_metadata()
        if issuer is None and metadata.get("authorization_response_iss_parameter_supported") is not True:
            return
        if issuer != str(metadata["issuer"]):
            raise ProviderRefused("The redirect comes from another issuer.")

    def _is_issued_to_us(self, person: PersonClaims) -> bool:
        """Whether we are the authorized party, which a token for several audiences must name (Core 1.0, 3.1.3.7)."""
        if person.azp is None:
            return isinstance(person.aud, str) or len(person.aud) == 1
        return person.azp == self._settings.client_id

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
        """The claims of a token. The keys are fetched again if they may have been rotated."""
        keys = self._keys or await self._fetch_keys()
        try:
            return dict(jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError):
            if monotonic() - self._keys_at < self._key_pause:
                raise
        return dict(jwt.decode(id_token, await self._fetch_keys(), algorithms=ALGORITHMS).claims)

    async def _fetch_keys(self) -> KeySet:
        metadata = await self._current_metadata()
        self._keys = KeySet.import_key_set(cast("Any", await self._get(str(metadata["jwks_uri"]))))
        self._keys_at = monotonic()
        return self._keys

    async def _current_metadata(self) -> dict[str, Any]:
        if monotonic() - self._metadata_at > METADATA_SECONDS:
            metadata = await self._get(self._settings.discovery_url)
            missing = {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} - metadata.keys()
            if missing:
                raise ProviderUnavailable(f"{self.name} doesn't publish its {', '.join(sorted(missing))}")
            self._metadata, self._metadata_at = metadata, monotonic()
        return self._metadata

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            answer = await self._client.request("GET", url, withhold_token=True)
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderUnavailable(f"{self.name} can't be reached: {error}") from error
        if not isinstance(found, dict):
            raise ProviderUnavailable(f"{self.name} answers with no JSON object at {url}")
        return found


@asynccontextmanager
async def open_providers(
    settings: Sequence[ProviderSettings], public_url: str, *, key_pause: float = KEY_PAUSE
) -> AsyncIterator[Mapping[str, OidcProvider]]:
    """The providers by name. `public_url`: the address that they send browsers back to."""
    async with AsyncExitStack() as stack:
        providers: dict[str, OidcProvider] = {}
        for one in settings:
            client = AsyncOAuth2Client(
                one.client_id, one.client_secret, code_challenge_method="S256", timeout=ANSWER_SECONDS
            )
            redirect_uri = f"{public_url}/api/v1/auth/oauth/{one.name}/callback"
            providers[one.name] = OidcProvider(one, await stack.enter_async_context(client), redirect_uri, key_pause)
        yield providers
