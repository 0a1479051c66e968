from collections.abc import AsyncIterator

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .client import User, signed_up


@pytest.fixture
async def anna(stack: RunningStack) -> AsyncIterator[User]:
    async with signed_up(stack.gateways) as user:
        yield user


@pytest.fixture
async def stranger(stack: RunningStack) -> AsyncIterator[User]:
    """A user of another tenant."""
    async with signed_up(stack.gateways) as user:
        yield user


async def all_healthy(stack: RunningStack) -> None:
    """Wait until all processes are healthy again."""
    await until(
        lambda: all(row.healthy for row in stack.instances()), within=120, description="everything healthy again"
    )
