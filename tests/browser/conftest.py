"""Fixtures: Chromium, and people who use the console in it."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from switchboard.testing.stack import RunningStack

from .person import Person

CHROMIUM = Path("/usr/bin/chromium")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium, one for all tests. Without it the tests are skipped, and fail under CI."""
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium: infra/setup.sh --for-tests installs it")
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def anna(chromium: Browser, stack: RunningStack) -> AsyncIterator[Person]:
    """Somebody new at the first gateway, signed up through the API, at the inbox. Console errors fail the test."""
    person = await Person.signed_up(chromium, stack.gateways[0])
    yield person
    await person.context.close()
    assert person.errors == []
