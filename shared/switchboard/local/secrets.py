"""Development secrets: created once for a stack directory, never part of the repository."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from switchboard.local.stack_directory import write_private


@dataclass(frozen=True)
class Secrets:
    """Passwords by name, and the files of the identity keys and of the encryption keys."""

    directory: Path
    passwords: dict[str, str]
    key_directories: Mapping[str, Path]

    @classmethod
    def of(cls, directory: Path, key_directories: Mapping[str, Path] | None = None) -> "Secrets":
        """`key_directories`: by the name of a service, where its key files are; in `directory` for those not named."""
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / "passwords.json"
        kept = cls(directory, json.loads(file.read_text()) if file.exists() else {}, key_directories or {})
        kept._copy_keys()
        kept._make_identity_keys()
        kept._make_encryption_key()
        return kept

    def password(self, name: str) -> str:
        """Return the password of that name, created on first use; hexadecimal, so that it fits into any URL."""
        if name not in self.passwords:
            self.passwords[name] = secrets.token_hex(16)
            write_private(self.directory / "passwords.json", json.dumps(self.passwords, indent=2) + "\n")
        return self.passwords[name]

    @property
    def identity_key(self) -> Path:
        """The gateway's private key set: it signs the identity header."""
        return self._of("api-gateway") / "identity-private.json"

    @property
    def identity_public_keys(self) -> Path:
        """The public key set that auth publishes, so that services can verify the identity header."""
        return self._of("auth") / "identity-public.json"

    @property
    def encryption_keys(self) -> Path:
        """The keys that secrets at rest are encrypted with."""
        return self._of("conversations") / "encryption-keys"

    def _of(self, service: str) -> Path:
        return self.key_directories.get(service, self.directory)

    def _copy_keys(self) -> None:
        """Copy key files to their directories that an earlier release has put into one, where it finds them again."""
        for file in (self.identity_key, self.identity_public_keys, self.encryption_keys):
            before = self.directory / file.name
            if before != file and before.exists() and not file.exists():
                file.write_bytes(before.read_bytes())
                file.chmod(before.stat().st_mode & 0o777)

    def _make_encryption_key(self) -> None:
        if not self.encryption_keys.exists():
            from switchboard.runtime.encryption import new_encryption_key  # only for the first start

            write_private(self.encryption_keys, new_encryption_key() + "\n")

    def _make_identity_keys(self) -> None:
        if self.identity_key.exists() and self.identity_public_keys.exists():
            return
        from switchboard.http.identity_keys import new_key, public_set  # only for the first start

        key = new_key(secrets.token_hex(8))
        write_private(self.identity_key, json.dumps({"keys": [key.as_dict(private=True)]}) + "\n")
        self.identity_public_keys.write_text(json.dumps(public_set([key])) + "\n")
