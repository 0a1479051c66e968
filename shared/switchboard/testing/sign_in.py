"""Run a real OpenID provider for tests of signing in."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from switchboard.testing.network import answers
from switchboard.testing.waiting import until


@asynccontextmanager
async def sign_in_provider(port: int, *users: dict[str, Any]) -> AsyncIterator[None]:
    """Run a provider in another process, with a new key each time. `users`: the claims of each user."""
    claims = [word for user in users for word in ("--user-claims", json.dumps(user))]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port), *claims,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(
            lambda: answers(f"http://127.0.0.1:{port}/jwks"), within=60, description="the sign-in provider answers"
        )
        yield
    finally:
        process.terminate()
        await process.wait()
