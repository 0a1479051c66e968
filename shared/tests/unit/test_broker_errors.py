"""Which errors mean that the broker is unavailable: each that aiormq raises."""

import asyncio

import aiormq.exceptions
import pamqp.exceptions
import pytest
from aiormq.exceptions import DeliveryError, PublishError

from switchboard.messaging.broker.connection import BrokerUnavailable, translate_errors


def errors_of(module: object) -> list[type[BaseException]]:
    return [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Exception)]


LIBRARY_ERRORS: set[type[BaseException]] = {*errors_of(aiormq.exceptions), *errors_of(pamqp.exceptions)} - {
    DeliveryError,
    PublishError,
}  # outcomes
OTHERS: set[type[BaseException]] = {
    asyncio.CancelledError,
    asyncio.IncompleteReadError,
    asyncio.InvalidStateError,
    BrokenPipeError,
    ConnectionRefusedError,
    Exception,
    OSError,
    RuntimeError,
    StopAsyncIteration,
    TimeoutError,
}


@pytest.mark.parametrize("kind", sorted(LIBRARY_ERRORS | OTHERS, key=repr))
async def test_an_error_of_the_library_is_translated(kind: type[BaseException]) -> None:
    with pytest.raises(BrokerUnavailable), translate_errors():
        raise kind.__new__(kind)  # as aiormq raises most: by their classes


@pytest.mark.parametrize("kind", [AssertionError, KeyError, NotImplementedError, RecursionError, TypeError])
async def test_an_error_of_our_own_code_is_not_translated(kind: type[Exception]) -> None:
    with pytest.raises(kind), translate_errors():
        raise kind


async def test_a_cancellation_that_was_asked_for_is_not_translated() -> None:
    async def wait() -> None:
        with translate_errors():
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
