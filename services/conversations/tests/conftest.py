"""Fixtures of this service's tests."""

from collections.abc import AsyncIterator, Callable

import pytest

from .client import TWILIO, ConversationsClient, open_client


@pytest.fixture
async def client(database_url: Callable[[str], str]) -> AsyncIterator[ConversationsClient]:
    async with open_client(database_url("conversations")) as client:
        yield client


@pytest.fixture
async def twilio_client(database_url: Callable[[str], str]) -> AsyncIterator[ConversationsClient]:
    """A client with the users of its tenant, which sends through Twilio."""
    async with open_client(database_url("conversations"), default=TWILIO) as client:
        await client.given_users()
        yield client
