"""Encryption of channels' credentials at rest, and the form in which they are kept."""

from dataclasses import dataclass
from typing import Any

import orjson

from switchboard.runtime.encryption import EncryptionKeys

ENCRYPTED = "encrypted"


@dataclass(frozen=True)
class CredentialEncryption:
    """Credentials as they are kept: `{"encrypted": token}`, or as they are, which was the form of earlier releases.

    `keys`: None on a developer's machine without a key. `keeps_clear`: write both forms, as long as instances of an
    earlier release run.
    """

    keys: EncryptionKeys | None = None
    keeps_clear: bool = False

    def seal(self, credentials: dict[str, str]) -> dict[str, str]:
        """The form to keep."""
        if self.keys is None:
            return credentials
        sealed = {ENCRYPTED: self.keys.encrypt(orjson.dumps(credentials).decode())}
        return credentials | sealed if self.keeps_clear else sealed

    def open(self, kept: dict[str, str]) -> dict[str, str]:
        """The credentials in a form that was kept. Raises `Undecryptable`."""
        token = kept.get(ENCRYPTED)
        if token is None or self.keys is None:
            return {name: value for name, value in kept.items() if name != ENCRYPTED}
        opened: dict[str, Any] = orjson.loads(self.keys.decrypt(token))
        return opened
