"""The launcher, on the whole stack that the end-to-end tests share."""

import asyncio
from datetime import datetime

import psutil
import pytest

from switchboard.local.private_stacks import stack_for_tests
from switchboard.local.services import BEHIND, GATEWAY
from switchboard.local.stack_directory import StackDirectory
from switchboard.testing import until
from switchboard.testing.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

SERVERS = ["postgres", "rabbitmq", "redis", "store"]


async def settled(stack: RunningStack) -> dict[str, int | None]:
    """Return the pid of each instance, once all are healthy."""
    await until(lambda: all(row.healthy for row in stack.instances()), within=120, description="everything healthy")
    return {row.instance: row.pid for row in stack.instances()}


async def test_starting_a_running_stack_changes_nothing(stack: RunningStack) -> None:
    before = await settled(stack)
    assert stack.stack_dir is not None

    again = stack_for_tests(StackDirectory(stack.stack_dir, throwaway=True))
    await asyncio.to_thread(again.up, lambda _: None)

    assert await settled(stack) == before


async def test_the_supervisor_restarts_a_killed_process(stack: RunningStack) -> None:
    before = await settled(stack)

    stack.kill("files-1")
    await until(lambda: stack.pid("files-1") not in (None, before["files-1"]), within=120)

    after = await settled(stack)
    assert after.pop("files-1") != before.pop("files-1")
    assert after == before


async def test_services_share_the_memory_of_the_launcher(stack: RunningStack) -> None:
    await settled(stack)
    process = psutil.Process(stack.pid("auth-1"))

    memory = process.memory_full_info()

    assert process.cmdline()[:3] == ["python", "-m", "auth"]
    assert memory.rss - memory.uss > 40_000_000


async def test_the_status_lists_every_server_and_two_instances_of_each_service(stack: RunningStack) -> None:
    await settled(stack)

    rows = [row.as_json() for row in stack.instances()]

    services = [f"{service.name}-{number}" for service in (*BEHIND, GATEWAY) for number in (1, 2)]
    assert [row["instance"] for row in rows] == SERVERS + services
    assert all(row.keys() == {"service", "instance", "pid", "port", "since", "healthy"} for row in rows)
    assert all(row["pid"] > 0 and row["port"] > 0 and row["healthy"] is True for row in rows)
    assert all(datetime.fromisoformat(row["since"]).tzinfo is not None for row in rows)
