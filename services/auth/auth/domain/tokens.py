"""Opaque tokens: clients hold 256 random bits, the database the sha256 of them."""

import hashlib
import secrets


def new_token() -> str:
    """43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """The hash that is stored. A fast one is enough: 256 random bits can't be guessed."""
    return hashlib.sha256(token.encode()).digest()
