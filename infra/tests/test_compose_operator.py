"""The operator's day in containers: every command runs from the image, keys are rotated, a backup is restored."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from tests.e2e.client import User, signed_up

from .compose import BUILT_WITHIN, HEALTHY_WITHIN, PHONE, Compose, docker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILT_WITHIN + HEALTHY_WITHIN)]

SERVICES = ("auth", "files", "conversations", "scheduler", "realtime", "gateway-1", "gateway-2")
HARDENED = (*SERVICES, "postgres", "rabbitmq", "redis", "store")
LOCAL = {"up", "down", "status", "demo", "logs", "instances", "restart", "scale"}  # of `make up`


@pytest.fixture
async def anna(compose: Compose) -> AsyncIterator[User]:
    async with signed_up(compose.gateways) as user:
        yield user


def operator(compose: Compose, *command: str) -> str:
    return compose.run("run", "--rm", "operator", *command)


def commands_of(help_text: str) -> list[str]:
    """The commands that a help page lists."""
    rows = re.findall(r"^[│|]\s([a-z][\w-]*)\s", help_text.partition("Commands")[2], re.MULTILINE)
    return list(dict.fromkeys(rows))


def test_every_command_is_there(compose: Compose) -> None:
    shell = ("run", "--rm", "--entrypoint", "bash", "operator", "-euc")
    groups = [name for name in commands_of(operator(compose, "--help")) if name not in LOCAL]
    assert {"backup", "dead-letters", "identity-keys", "migrate", "schedule", "user"} <= set(groups)
    script = "; ".join(f"echo == {name}; run-service operator {name} --help" for name in groups)
    pages = compose.run(*shell, script).split("== ")[1:]
    commands = [f"{page.split()[0]} {each}" for page in pages for each in commands_of(page)]

    shown = compose.run(*shell, "; ".join(f"run-service operator {command} --help" for command in commands))

    assert len(commands) > 10
    assert shown.count("Usage:") == len(commands)


@pytest.mark.parametrize(
    "command",
    [
        "dead-letters list",
        "dead-letters show",
        "deliveries list",
        "schedule list",
        "contacts check",
        "inbound list",
        "migrate",
        "encryption-keys rotate",
        "encryption-keys retire",
    ],
)
def test_a_command_works_from_the_image(compose: Compose, command: str) -> None:
    assert "Traceback" not in operator(compose, *command.split())


async def test_identity_keys_are_rotated_while_requests_go_on(compose: Compose, anna: User) -> None:
    rotating = asyncio.create_task(asyncio.to_thread(operator, compose, "identity-keys", "rotate"))
    while not rotating.done():
        assert (await anna.ask("GET", "/auth/me")).status == 200
        await asyncio.sleep(0.05)

    assert "signing with" in rotating.result()
    assert (await anna.ask("GET", "/auth/me")).status == 200


async def test_a_backup_is_restored_after_data_was_lost(compose: Compose, anna: User) -> None:
    await anna.say(PHONE, "before")
    file = await anna.upload("contract.txt", b"signed")
    operator(compose, "backup", "/backups/one")
    await anna.say(PHONE, "after")

    compose.run("stop", *SERVICES)
    operator(compose, "restore", "/backups/one", "--overwrite")
    compose.run("up", "-d")
    compose.wait_until_healthy()

    assert [message["body"] for message in await anna.messages(PHONE)] == ["before"]
    link = (await anna.ask("GET", f"/files/{file['id']}")).body["download_url"]
    async with anna.http.get(link) as answer:
        assert (answer.status, await answer.read()) == (200, b"signed")


@pytest.mark.parametrize("service", HARDENED)
def test_a_container_has_few_rights(compose: Compose, service: str) -> None:
    container = compose.containers(service)[0]
    format_ = "{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.PidsLimit}} {{.HostConfig.Memory}}"
    drop, options, pids, memory = docker("inspect", "-f", format_, container).rsplit(" ", 3)

    assert drop == "[ALL]"
    assert options == "[no-new-privileges:true]"
    assert int(pids) > 0
    assert int(memory) > 0
    if service in SERVICES:
        assert docker("inspect", "-f", "{{.HostConfig.ReadonlyRootfs}}", container) == "true"


def test_a_service_reads_its_own_secrets_alone(compose: Compose) -> None:
    for service, own in (("auth", "auth"), ("conversations", "conversations"), ("gateway-1", "api-gateway")):
        container = compose.containers(service)[0]
        listed = docker("exec", container, "bash", "-c", "cd /run/switchboard && find . -type f").split()
        assert listed
        assert {path.split("/")[1] for path in listed} == {own}
    settings = docker("exec", compose.containers("scheduler")[0], "cat", "/run/switchboard/scheduler/env")
    assert "postgres:" not in re.sub(r"postgresql://switchboard_scheduler:\w+@postgres:", "", settings)


def test_gateways_reach_neither_the_database_nor_the_broker(compose: Compose) -> None:
    for server, port in (("postgres", 5432), ("rabbitmq", 5672)):
        probe = f"exec 3<>/dev/tcp/{server}/{port} && echo reached"
        found = docker("exec", compose.containers("gateway-1")[0], "bash", "-c", f"({probe}) 2>/dev/null || true")
        assert found == ""


def test_the_image_is_labelled_and_has_no_installer(compose: Compose) -> None:
    container = compose.containers("auth")[0]

    labels = docker("inspect", "-f", '{{index .Config.Labels "org.opencontainers.image.version"}}', container)

    assert labels == "local"
    assert "none" in docker("exec", container, "bash", "-c", "ls /venv/bin/pip 2>/dev/null || echo none")
