"""The keys that identities are signed with and checked by: JWK sets with Ed25519 keys.

The gateway signs with the first private key of its file. Auth serves the public ones; every other service
fetches them from any instance of auth and keeps the last good copy, so that auth may be away.
"""

from __future__ import annotations

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

from switchboard.http.client import ServiceClient, Unanswered, open_service_client
from switchboard.runtime.background import Stop
from switchboard.runtime.unavailable import Unavailable

KEYS_PATH = "/internal/identity-keys"
FETCH_SECONDS = 2.0  # of each instance
REFRESH_SECONDS = 300.0  # all keys anew
LEAST_PAUSE = 5.0  # between two fetches for an unknown key
RETRY_SECONDS = 1.0  # while none were ever fetched

log = structlog.get_logger(__name__)


class KeysUnavailable(Unavailable):
    """The keys to check identities by can't be had: auth is away."""


class UnknownKey(Exception):
    """No published key has this id."""


class Keys(Protocol):
    """Where a verifier finds a key."""

    async def find(self, kid: str) -> OKPKey:
        """The public key `kid`. Raises `UnknownKey`, or `KeysUnavailable` when there is no key at all."""


class FixedKeys:
    """Keys known from the start: auth's own, and a test's."""

    def __init__(self, keys: Sequence[OKPKey]) -> None:
        self._keys = {str(key.kid): key for key in keys}

    async def find(self, kid: str) -> OKPKey:
        """The key `kid`, or `UnknownKey`."""
        if kid not in self._keys:
            raise UnknownKey(kid)
        return self._keys[kid]


class PublishedKeys:
    """Auth's keys, fetched over HTTP from whichever instance answers. Made by `open_keys`."""

    def __init__(self, auth: ServiceClient, least_pause: float) -> None:
        self._auth = auth
        self._least_pause = least_pause
        self._keys: dict[str, OKPKey] = {}
        self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> OKPKey:
        """The key `kid`, asking auth again for one not known, every few seconds at most."""
        if kid not in self._keys:
            async with self._fetching:
                if kid not in self._keys and monotonic() - self._tried >= self._pause:
                    await self._fetch()
        if not self._keys:
            raise KeysUnavailable("the keys to check identities by can't be had: auth is away")
        if kid not in self._keys:
            raise UnknownKey(kid)
        return self._keys[kid]

    async def refreshing(self, stop: Stop) -> None:
        """Keep the copy fresh. Runs with the HTTP application."""
        while not stop.is_set():
            async with self._fetching:
                await self._fetch()
            await stop.sleep(REFRESH_SECONDS if self._keys else RETRY_SECONDS)

    async def check(self) -> None:
        """Raises unless there is a copy, however old."""
        if not self._keys:
            raise KeysUnavailable("no keys yet to check identities by: auth is away")

    async def _fetch(self) -> None:
        try:
            answered = await self._auth.ask("GET", KEYS_PATH)
            self._keys = {str(key.kid): key for key in read_keys(answered.body)}
        except (Unanswered, ValueError) as error:
            log.info("identity_keys_not_fetched", error=str(error))
        self._tried = monotonic()

    @property
    def _pause(self) -> float:
        """Seconds between two tries: auth is not asked at each request."""
        return self._least_pause if self._keys else RETRY_SECONDS


@asynccontextmanager
async def open_keys(auth_urls: Sequence[str], *, least_pause: float = LEAST_PAUSE) -> AsyncIterator[PublishedKeys]:
    """Auth's keys, with the client that fetches them. Waits for nobody.

    `least_pause`: seconds between two fetches for keys that are not known.
    """
    async with open_service_client("auth", auth_urls, within=FETCH_SECONDS) as auth:
        yield PublishedKeys(auth, least_pause)


def read_keys(text: bytes) -> list[OKPKey]:
    """The Ed25519 keys of a JWK set, in its order. Raises ValueError when there is none, or it isn't one."""
    try:
        listed = KeySet.import_key_set(orjson.loads(text)).keys
    except (JoseError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a JWK set: {error}") from error
    keys = [key for key in listed if isinstance(key, OKPKey) and key.curve_name == "Ed25519" and key.kid]
    if not keys:
        raise ValueError("not a JWK set with Ed25519 keys")
    return keys


def read_key_file(path: Path | str) -> list[OKPKey]:
    """The keys of `IDENTITY_KEY_FILE`. Raises OSError or ValueError, naming the file."""
    try:
        return read_keys(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def signing_key(keys: Sequence[OKPKey]) -> OKPKey:
    """The first private key: the one to sign with. Raises ValueError when all are public."""
    for key in keys:
        if key.is_private:
            return key
    raise ValueError("holds no private key")


def public_set(keys: Sequence[OKPKey]) -> dict[str, Any]:
    """The JWK set to publish: what the private keys have no part in."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def new_key(kid: str) -> OKPKey:
    """A fresh private key; `key.as_dict(private=True)` is what a key file lists under `keys`."""
    return OKPKey.generate_key("Ed25519", parameters={"kid": kid, "use": "sig", "alg": "Ed25519"})
