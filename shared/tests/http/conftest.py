from typing import Any

import aiohttp
import pytest

from .demo_api import routes


@pytest.fixture
async def client(start: Any) -> aiohttp.ClientSession:
    """A client of the demo API."""
    session: aiohttp.ClientSession = await start(routes(), max_body=1000)
    return session
