"""A real OpenID provider for tests of signing in."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from switchboard.testing.network import answers
from switchboard.testing.waiting import until


@asynccontextmanager
async def sign_in_provider(port: int, *people: dict[str, Any]) -> AsyncIterator[None]:
    """In a process of its own, with a new key each time. `people`: the claims of those that it knows."""
    claims = [word for person in people for word in ("--user-claims", json.dumps(person))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), *claims,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(lambda: answers(f"http://127.0.0.1:{port}/jwks"), within=60, what="the sign-in provider answers")
        yield
    finally:
        process.terminate()
        await process.wait()
