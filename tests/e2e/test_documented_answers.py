"""All answers conform to the OpenAPI document, also to generated requests."""

import asyncio
import subprocess
import sys

import pytest

from switchboard.testing.stack import RunningStack

from .client import User

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.slow, pytest.mark.timeout(900)]

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ENDS_SESSIONS = "/auth/(logout$|sessions/)"


async def test_answers_conform_to_the_openapi_document(stack: RunningStack, anna: User, stranger: User) -> None:
    everything = await schemathesis(stack, anna, "--exclude-path-regex", ENDS_SESSIONS)
    still_in = (await anna.ask("GET", "/auth/me")).status == 200
    the_rest = await schemathesis(stack, stranger, "--include-path-regex", ENDS_SESSIONS)

    assert everything.returncode == 0, everything.stdout[-8000:]
    assert the_rest.returncode == 0, the_rest.stdout[-8000:]
    assert still_in  # otherwise most requests were unauthenticated


async def schemathesis(stack: RunningStack, user: User, *which: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{stack.gateways[0]}/openapi.json",
        "--url", stack.gateways[0], "--header", f"Authorization: Bearer {user.token}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--checks", CHECKS, *which,
    ]  # fmt: skip
    return await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True)
