"""The public signing keys of the gateways, as every service gets them from auth.

Gateways sign the identities of requests with their private keys. `bin/switchboard identity-keys rotate` writes a new
key to both files; auth reads its file again when it has changed, so that a rotation needs no restart.
"""

from pathlib import Path

import orjson
from joserfc.jwk import OKPKey

from switchboard.http.identity_keys import UnknownKey, public_set, read_key_file


class PublicSigningKeys:
    """The JWK set in a file, read again after each rotation."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = -1
        self._keys: dict[str, OKPKey] = {}

    async def find(self, kid: str) -> OKPKey:
        """The key `kid`. Raises `UnknownKey`."""
        keys = self._current()
        if kid not in keys:
            raise UnknownKey(kid)
        return keys[kid]

    def published(self) -> bytes:
        """The set as JSON, never with private parts."""
        return orjson.dumps(public_set(list(self._current().values())))

    def _current(self) -> dict[str, OKPKey]:
        """Raises OSError or ValueError for a file that is missing or not a key set."""
        changed_at = self._file.stat().st_mtime_ns
        if changed_at != self._read_at:
            self._keys = {str(key.kid): key for key in read_key_file(self._file)}
            self._read_at = changed_at
        return self._keys
