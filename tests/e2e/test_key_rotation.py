"""Rotation of the key that signs identities, under load, without failed requests."""

import asyncio
import json
from pathlib import Path

import pytest

from switchboard.testing import until
from switchboard.testing.stack import RunningStack

from .client import User
from .operator_commands import operate
from .test_restarts import loaded

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.slow, pytest.mark.timeout(240)]

IDENTITIES_LIVE = 65  # seconds, with a margin


async def test_the_signing_key_is_rotated_and_retired_without_failed_requests(stack: RunningStack, anna: User) -> None:
    file = Path(stack.environment("api-gateway")["IDENTITY_KEY_FILE"])
    before = kids(file)

    async with loaded(anna, "/reminders", at_once=2) as load, loaded(anna, "/auth/me", at_once=2) as at_auth:
        await operate(stack, "identity-keys", "rotate")
        rotated, asked = kids(file), load.answered
        await until(lambda: load.answered > asked + 200, within=60)
        await asyncio.sleep(IDENTITIES_LIVE)  # an operator waits as long
        await operate(stack, "identity-keys", "retire")
        retired, asked = kids(file), load.answered
        await until(lambda: load.answered > asked + 200, within=60)

    assert load.failures + at_auth.failures == []
    assert rotated[1:] == before
    assert retired == rotated[:1]


def kids(file: Path) -> list[str]:
    return [key["kid"] for key in json.loads(file.read_text())["keys"]]
