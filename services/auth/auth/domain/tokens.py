"""Opaque tokens: 256 random bits for their holder, a sha256 for us."""

from __future__ import annotations

import hashlib
import secrets


def new_token() -> str:
    """43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    """What is stored. A fast hash will do: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode()).digest()
