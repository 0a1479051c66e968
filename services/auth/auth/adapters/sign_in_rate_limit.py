"""Rate limit for sign-in and sign-up: failed attempts and sign-ups are counted in Redis, for all instances together."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from auth.domain.sessions import InvalidCredentials
from switchboard.runtime.addresses import limited_as
from switchboard.runtime.rate_limits import FixedWindow
from switchboard.runtime.redis import REDIS_ERRORS
from switchboard.runtime.refusals import TooMany

MAX_FAILURES = 10
WINDOW_SECONDS = 300
SIGN_UP_WINDOW_SECONDS = 600

log = structlog.get_logger(__name__)


class TooManyFailures(TooMany):
    """Too many failed sign-ins from this address for this account: try again later."""


class TooManySignUps(TooMany):
    """Too many sign-ups from this address: try again later."""


class SignInRateLimit:
    """Allows ten failed sign-ins in five minutes for each client address and account.

    Besides, for each client address (an IPv6 address counts as its /64): `failures_by_address` failed sign-ins in five
    minutes to whatever account, and `sign_ups_by_address` sign-ups in ten minutes. Without Redis nothing is limited.
    """

    def __init__(self, redis: Redis, failures_by_address: int, sign_ups_by_address: int) -> None:
        self._failures = FixedWindow(redis, most=MAX_FAILURES, seconds=WINDOW_SECONDS)
        self._failures_by_address = FixedWindow(redis, most=failures_by_address, seconds=WINDOW_SECONDS)
        self._sign_ups = FixedWindow(redis, most=sign_ups_by_address, seconds=SIGN_UP_WINDOW_SECONDS)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def attempt(self, address: str | None, account: str) -> AsyncIterator[None]:
        """Wrap one attempt, which fails by raising `InvalidCredentials`. Raises `TooManyFailures`.

        Attempts for the same address and account run one after another, so that a burst gets no more tries than a
        sequence.
        """
        client = limited_as(address) if address else None
        key = "login:failures:" + hashlib.sha256(f"{client} {account}".encode("utf-8", "replace")).hexdigest()
        async with self._lock(key):
            await self._check(key)
            if client is not None:
                await self._take(self._failures_by_address, f"login:address:{client}", TooManyFailures)
            failed = False
            try:
                yield
            except InvalidCredentials:
                failed = True
                await self._count(key)
                raise
            finally:
                if client is not None and not failed:
                    await self._give_back(f"login:address:{client}")

    async def count_sign_up(self, address: str | None) -> None:
        """Count a sign-up, before its password is hashed. Raises `TooManySignUps`."""
        if address is not None:
            await self._take(self._sign_ups, f"signup:address:{limited_as(address)}", TooManySignUps)

    async def _take(self, window: FixedWindow, key: str, refusal: type[TooMany]) -> None:
        try:
            retry_after = await window.take(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))
            return
        if retry_after is not None:
            raise refusal(retry_after=retry_after)

    async def _give_back(self, key: str) -> None:
        try:
            await self._failures_by_address.give_back(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))

    @asynccontextmanager
    async def _lock(self, key: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1

    async def _check(self, key: str) -> None:
        try:
            retry_after = await self._failures.retry_after(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))
            return
        if retry_after is not None:
            raise TooManyFailures(retry_after=retry_after)

    async def _count(self, key: str) -> None:
        try:
            await self._failures.count(key)
        except REDIS_ERRORS as error:
            log.warning("throttle_open", reason=str(error))
