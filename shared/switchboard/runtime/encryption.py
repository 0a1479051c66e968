"""Encryption of secrets at rest, with a key of the installation that can be rotated.

`ENCRYPTION_KEY_FILE` has a Fernet key a line (github.com/fernet/spec): the first encrypts, all decrypt. So an old and a
new key work at once, and a process that meets a newer key reads the file again.
"""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Undecryptable(Exception):
    """None of the keys in the file decrypts it: the key that did is lost, or the file is another installation's."""


class EncryptionKeys:
    """The keys of a file."""

    def __init__(self, file: Path) -> None:
        """Raises OSError, or ValueError naming the file."""
        self._file = file
        self._keys = _read(file)

    def encrypt(self, text: str) -> str:
        """The text, encrypted with the newest key."""
        return self._keys.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """The text of a token. Raises `Undecryptable`."""
        try:
            return self._keys.decrypt(token.encode()).decode()
        except InvalidToken:
            pass
        try:
            self._keys = _read(self._file)  # rotated meanwhile
            return self._keys.decrypt(token.encode()).decode()
        except (InvalidToken, OSError, ValueError):
            raise Undecryptable(f"no key in {self._file} decrypts it") from None


def new_encryption_key() -> str:
    """A new key, as a line of the file."""
    return Fernet.generate_key().decode()


def read_keys(file: Path) -> list[str]:
    """The keys in a file, newest first. Raises OSError, or ValueError naming the file."""
    keys = file.read_text().split()
    try:
        for key in keys:
            Fernet(key)
    except ValueError:
        raise ValueError(f"{file} has a line that is no encryption key") from None
    if not keys:
        raise ValueError(f"{file} has no encryption key")
    return keys


def write_keys(file: Path, keys: list[str]) -> None:
    """Replace the file atomically: readers see the old content or the new."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write("".join(f"{key}\n" for key in keys))
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)


def _read(file: Path) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in read_keys(file)])
