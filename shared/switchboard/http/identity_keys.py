"""Signing keys of identities, and their rotation: JWK sets with Ed25519 keys.

The gateway signs with the first private key of its key file. Auth publishes the public keys of the same file. All
other services fetch them from any instance of auth, refresh them, and fetch again for an unknown key id, so that a
new key can be added at any time. The last copy is kept while auth is unavailable.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from switchboard.http.client import ServiceClient, ServiceUnreachable, open_service_client
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

KEYS_PATH = "/internal/identity-keys"
FETCH_SECONDS = 2.0  # timeout of each instance
REFRESH_SECONDS = 300.0
MIN_FETCH_INTERVAL = 5.0  # seconds between two fetches for an unknown key
RETRY_SECONDS = 1.0  # until the first fetch has succeeded

log = structlog.get_logger(__name__)


class KeysUnavailable(Unavailable):
    """The public keys of identities are unknown: auth is unavailable."""


class UnknownKey(Exception):
    """No published key has this id."""


class Keys(Protocol):
    """A source of public keys for a verifier."""

    async def find(self, kid: str) -> OKPKey:
        """The public key `kid`. Raises `UnknownKey`, or `KeysUnavailable` while no keys are known."""


class FixedKeys:
    """A fixed set of keys, for auth itself and for tests."""

    def __init__(self, keys: Sequence[OKPKey]) -> None:
        self._keys = {str(key.kid): key for key in keys}

    async def find(self, kid: str) -> OKPKey:
        if kid not in self._keys:
            raise UnknownKey(kid)
        return self._keys[kid]


class PublishedKeys:
    """The keys that auth publishes, fetched from any of its instances. Made by `open_keys`."""

    def __init__(self, auth: ServiceClient, min_fetch_interval: float) -> None:
        self._auth = auth
        self._min_fetch_interval = min_fetch_interval
        self._keys: dict[str, OKPKey] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> OKPKey:
        """The key `kid`. Fetches again for an unknown key id, at most every few seconds."""
        if kid not in self._keys:
            async with self._fetching:
                if kid not in self._keys and monotonic() - self._fetched_at >= self._interval:
                    await self._fetch()
        if not self._keys:
            raise KeysUnavailable("the public keys of identities are unknown: auth is unavailable")
        if kid not in self._keys:
            raise UnknownKey(kid)
        return self._keys[kid]

    async def refresh(self, stop: Stop) -> None:
        """The loop that refreshes the keys. It runs with the HTTP application."""
        while not stop.is_set():
            async with self._fetching:
                await self._fetch()
            await stop.sleep(REFRESH_SECONDS if self._keys else RETRY_SECONDS)

    async def check(self) -> None:
        """The health check. Raises `KeysUnavailable` until keys have been fetched once."""
        if not self._keys:
            raise KeysUnavailable("the public keys of identities are unknown: auth is unavailable")

    async def _fetch(self) -> None:
        try:
            response = await self._auth.request("GET", KEYS_PATH)
            self._keys = {str(key.kid): key for key in read_keys(response.body)}
        except (ServiceUnreachable, ValueError) as error:
            log.info("identity_keys_not_fetched", error=str(error))
        self._fetched_at = monotonic()

    @property
    def _interval(self) -> float:
        """The minimum seconds between two fetches, so that not every request causes one."""
        return self._min_fetch_interval if self._keys else RETRY_SECONDS


@asynccontextmanager
async def open_keys(
    auth_urls: Sequence[str], *, min_fetch_interval: float = MIN_FETCH_INTERVAL
) -> AsyncIterator[PublishedKeys]:
    """Open a source of auth's keys. Does not wait for auth.

    `min_fetch_interval`: seconds between two fetches for unknown key ids.
    """
    async with open_service_client("auth", auth_urls, within=FETCH_SECONDS) as auth:
        yield PublishedKeys(auth, min_fetch_interval)


def read_keys(text: bytes) -> list[OKPKey]:
    """The Ed25519 keys of a JWK set, in order. Raises ValueError when it is malformed or has none."""
    try:
        listed = KeySet.import_key_set(orjson.loads(text)).keys
    except (JoseError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a JWK set: {error}") from error
    keys = [key for key in listed if isinstance(key, OKPKey) and key.curve_name == "Ed25519" and key.kid]
    if not keys:
        raise ValueError("not a JWK set with Ed25519 keys")
    return keys


def read_key_file(path: Path | str) -> list[OKPKey]:
    """The keys in the file `IDENTITY_KEY_FILE`. Raises OSError, or ValueError naming the file."""
    try:
        return read_keys(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def signing_key(keys: Sequence[OKPKey]) -> OKPKey:
    """The key to sign with: the first private one. Raises ValueError when there is none."""
    for key in keys:
        if key.is_private:
            return key
    raise ValueError("contains no private key")


def public_set(keys: Sequence[OKPKey]) -> dict[str, Any]:
    """The JWK set to publish, without the private parts of the keys."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def new_key(kid: str) -> OKPKey:
    """Generate a private key. A key file lists `key.as_dict(private=True)` under `keys`."""
    return OKPKey.generate_key("Ed25519", parameters={"kid": kid, "use": "sig", "alg": "Ed25519"})
