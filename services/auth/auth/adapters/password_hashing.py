"""Password hashing with argon2id, in a few threads: a burst of sign-ins does not block the event loop."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError, VerificationError

from switchboard.runtime.refusals import ServiceUnavailable

# OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
THREADS = 2
MAX_WAITING = 200  # about five seconds of work; further requests are refused
BCRYPT_PREFIXES = ("$2a$", "$2b$", "$2y$")

T = TypeVar("T")


def normal_password(password: str) -> str:
    """The password in the form of RFC 8265's OpaqueString: every space is a plain one, letters are composed (NFC)."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return unicodedata.normalize("NFC", spaced)


class PasswordHasher:
    """Hashes and checks passwords. A check takes equally long if the user is unknown."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._waiting = 0
        self._unmatched = HASHER.hash("never matched")

    async def hash(self, password: str) -> str:
        """Raises `ServiceUnavailable` if too many passwords are waiting."""
        normal = normal_password(password)
        return await self._in_thread(lambda: HASHER.hash(normal))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password has this hash. A hash of None takes as long, and never matches.

        A hash that was made before passwords had a normal form may be of the text as it was typed.
        """
        normal = normal_password(password)
        if await self._matches(password_hash, normal):
            return True
        return normal != password and await self._matches(password_hash, password)

    async def _matches(self, password_hash: str | None, password: str) -> bool:
        if password_hash is not None and password_hash.startswith(BCRYPT_PREFIXES):
            return await self._in_thread(lambda: _bcrypt_matches(password_hash, password))
        found = await self._in_thread(lambda: _argon2_matches(password_hash or self._unmatched, password))
        return found and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash should be replaced by a new one at the next sign-in."""
        return password_hash.startswith(BCRYPT_PREFIXES) or HASHER.check_needs_rehash(password_hash)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise ServiceUnavailable("Too many sign-ins at this moment.", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


@asynccontextmanager
async def open_password_hasher() -> AsyncIterator[PasswordHasher]:
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
    try:
        yield PasswordHasher(threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _argon2_matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _bcrypt_matches(password_hash: str, password: str) -> bool:
    """Hashes of the legacy platform. bcrypt uses the first 72 bytes only."""
    try:
        return bcrypt.checkpw(password.encode()[:72], password_hash.encode())
    except ValueError:
        return False
