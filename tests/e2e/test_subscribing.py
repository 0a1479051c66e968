"""The example of docs/subscribing.md: its code is run as a broker user with the permissions that it lists."""

import asyncio
import json
import os
import re
import sys
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from switchboard.local.stack_directory import REPOSITORY
from switchboard.testing import until
from switchboard.testing.brokers import VirtualHosts
from switchboard.testing.stack import RunningStack

from .client import User
from .operator_commands import operate
from .times import in_seconds

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

GUIDE = (REPOSITORY / "docs" / "subscribing.md").read_text()


def user_of_another_team(stack: RunningStack) -> str:
    """Create a broker user with the permissions of the guide, and return its AMQP URL."""
    admin = stack.environment("messaging")["AMQP_URL"]
    url = urlsplit(admin)
    host, name, password = url.netloc.rpartition("@")[2], f"billing-{uuid4().hex[:6]}", uuid4().hex
    rights = re.search(r"set_permissions -p switchboard billing '(.*)' '(.*)' '(.*)'", GUIDE)
    assert rights is not None
    configure, write, read = rights.groups()
    management = VirtualHosts(stack.management_url, admin)
    management.ask("PUT", f"/users/{name}", {"password": password, "tags": ""})
    vhost = quote(url.path.lstrip("/"), safe="")
    permissions = {"configure": configure, "write": write, "read": read}
    management.ask("PUT", f"/permissions/{vhost}/{name}", permissions)
    return url._replace(netloc=f"{name}:{password}@{host}").geturl()


async def test_the_service_of_the_guide_receives_the_events_it_subscribed_to(stack: RunningStack, anna: User) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 22
    tenant = (await anna.ask("GET", "/auth/me")).body["tenant"]["id"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code[1],
        env={**os.environ, "AMQP_URL": user_of_another_team(stack)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    heard: list[str] = []

    async def read_on() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            heard.append(line.decode())  # noqa: PERF401  # each as it comes

    reading = asyncio.create_task(read_on())
    days = iter(range(30, 400))

    async def extended_until_heard() -> bool:  # its queue is not bound yet
        await operate(stack, "tenant", "extend-trial", tenant, "--until", in_seconds(86400 * next(days)))
        await asyncio.sleep(0.2)
        return any(tenant in line for line in heard)

    try:
        await until(extended_until_heard, within=90)
    finally:
        process.terminate()
        await process.wait()
        await reading
    mine = [line for line in heard if tenant in line]
    assert {line.split()[1] for line in mine} == {"tenant.trial_extended"}
    assert json.dumps(tenant).strip('"') in mine[0]
