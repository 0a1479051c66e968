"""Password hashing runs in a few threads and does not block the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import bcrypt
import pytest

from auth.adapters import password_hashing as module
from auth.adapters.password_hashing import PasswordHasher, open_password_hasher
from switchboard.runtime.refusals import ServiceUnavailable


@pytest.fixture
async def passwords() -> AsyncIterator[PasswordHasher]:
    async with open_password_hasher() as passwords:
        yield passwords


async def test_a_burst_does_not_block_the_event_loop_and_uses_few_threads(passwords: PasswordHasher) -> None:
    burst = [asyncio.create_task(passwords.hash(f"password {n}")) for n in range(12)]
    turns = threads = 0

    while not all(task.done() for task in burst):
        await asyncio.sleep(0)
        turns += 1
        threads = max(threads, sum(thread.name.startswith("passwords") for thread in threading.enumerate()))

    assert len(set(await asyncio.gather(*burst))) == 12
    assert turns > 10 * len(burst)  # hashed on the loop itself, each would take one turn
    assert threads == module.THREADS


async def test_too_many_waiting_passwords_are_refused_with_retry_after(passwords: PasswordHasher) -> None:
    waiting = [asyncio.create_task(passwords.matches(None, "x")) for _ in range(module.MAX_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(ServiceUnavailable) as refused:
        await passwords.hash("one too many")

    assert refused.value.headers["Retry-After"] == "2"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_password_matches_its_own_hash_only(passwords: PasswordHasher) -> None:
    argon2, old = await passwords.hash("right"), bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()

    for known in (argon2, old):
        assert await passwords.matches(known, "right")
        assert not await passwords.matches(known, "wrong")
    assert not await passwords.matches(None, "never matched")
    assert not await passwords.matches("not a hash", "right")
    assert (passwords.is_outdated(argon2), passwords.is_outdated(old)) == (False, True)


async def test_a_password_is_the_same_composed_or_decomposed(passwords: PasswordHasher) -> None:
    composed, decomposed = "pässwörd\u00a0x", "pa\u0308sswo\u0308rd x"

    assert await passwords.matches(await passwords.hash(composed), decomposed)
    assert await passwords.matches(await passwords.hash(decomposed), composed)
    assert not await passwords.matches(await passwords.hash(composed), "passwörd x")


async def test_a_hash_of_the_text_as_it_was_typed_still_matches(passwords: PasswordHasher) -> None:
    """Made before passwords had a normal form."""
    typed = "pa\u0308sswo\u0308rd"

    assert await passwords.matches(module.HASHER.hash(typed), typed)
