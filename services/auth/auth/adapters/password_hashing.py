"""argon2id, off the event loop, a bounded number at once: a burst of log-ins must not stall other requests."""

from __future__ import annotations

import asyncio
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
AT_ONCE = 2
WAITING = 200  # some five seconds of work: beyond it, answering "later" is kinder than answering late
BCRYPT_MARKS = ("$2a$", "$2b$", "$2y$")

T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords. Every check costs the same, also against no hash at all."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._waiting = 0
        self._nobodys = HASHER.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Raises `ServiceUnavailable` when too many wait already."""
        return await self._off_the_loop(lambda: HASHER.hash(password))

    async def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether `password` is the one of `password_hash`. None takes as long and is never matched."""
        if password_hash is not None and password_hash.startswith(BCRYPT_MARKS):
            return await self._off_the_loop(lambda: _bcrypt_matches(password_hash, password))
        found = await self._off_the_loop(lambda: _argon2_matches(password_hash or self._nobodys, password))
        return found and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it should be hashed anew, now that the password is known."""
        return password_hash.startswith(BCRYPT_MARKS) or HASHER.check_needs_rehash(password_hash)

    async def _off_the_loop(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise ServiceUnavailable("Too many sign-ins at this moment.", retry_after=2)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


@asynccontextmanager
async def open_passwords() -> AsyncIterator[Passwords]:
    threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
    try:
        yield Passwords(threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _argon2_matches(password_hash: str, password: str) -> bool:
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def _bcrypt_matches(password_hash: str, password: str) -> bool:
    """Hashes of the original, which read no further than 72 bytes."""
    try:
        return bcrypt.checkpw(password.encode()[:72], password_hash.encode())
    except ValueError:
        return False
