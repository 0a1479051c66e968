"""The stack of docker-compose.yml on a real Docker. Not part of `make test`: it needs Docker and builds images."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from switchboard.testing import becomes, until
from tests.e2e.client import Listener, User, listening, signed_up

from .compose import BUILT_WITHIN, HEALTHY_WITHIN, PHONE, Compose, docker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(BUILT_WITHIN + HEALTHY_WITHIN)]


@pytest.fixture
async def anna(compose: Compose) -> AsyncIterator[User]:
    async with signed_up(compose.gateways) as user:
        yield user


def kill_main_process(container: str) -> None:
    """Kill the process like a crash does: after `docker kill` Docker would not restart the container."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", container)
    subprocess.run([*([] if os.geteuid() == 0 else ["sudo"]), "kill", "-9", pid], check=True)


def texts(listener: Listener) -> list[str]:
    return [event["message"]["body"] for event in listener.of("conversation.message_appended")]


async def test_two_instances_of_each_service_work(compose: Compose) -> None:
    for service in ("auth", "files", "conversations", "scheduler", "realtime"):
        await becomes(lambda s=service: [each["status"] for each in compose.instances(s)], ["ok", "ok"], within=60)


async def test_only_the_gateways_have_ports_on_the_host(compose: Compose) -> None:
    published = {
        service: docker("port", container)
        for service in compose.run("config", "--services").split()
        for container in compose.containers(service)
    }

    assert {service for service, ports in published.items() if ports} == {"gateway-1", "gateway-2"}


async def test_messages_sent_at_one_gateway_are_received_at_the_other(compose: Compose, anna: User) -> None:
    async with listening(anna, 0, ["websocket"]) as first, listening(anna, 1, ["polling", "websocket"]) as second:
        await anna.say(PHONE, "from one")
        await anna.say(PHONE, "from the other")

        await becomes(lambda: texts(first), ["from one", "from the other"], within=60)
        await becomes(lambda: texts(second), ["from one", "from the other"], within=60)

    for gateway in (0, 1):
        answer = await anna.ask("GET", f"/conversations/{PHONE}/messages", gateway=gateway)
        assert [message["body"] for message in answer.body["items"]] == ["from one", "from the other"]


async def test_a_document_comes_back_by_its_signed_link(compose: Compose, anna: User) -> None:
    file = await anna.upload("offer.txt", b"our offer", gateway=0)

    link = (await anna.ask("GET", f"/files/{file['id']}", gateway=1)).body["download_url"]

    async with anna.http.get(link) as answer:
        assert (answer.status, await answer.read()) == (200, b"our offer")


async def test_a_killed_container_restarts_and_no_message_is_lost_or_doubled(compose: Compose, anna: User) -> None:
    dying = compose.containers("conversations")[0]
    started = docker("inspect", "-f", "{{.State.StartedAt}}", dying)
    said = [f"message {n}" for n in range(60)]

    for text in said:
        if text == "message 20":
            kill_main_process(dying)
        await anna.say(PHONE, text)

    assert Counter(message["body"] for message in await anna.messages(PHONE)) == Counter(said)
    await until(lambda: docker("inspect", "-f", "{{.State.StartedAt}}", dying) != started, within=60)
    await until(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", dying) == "healthy", within=HEALTHY_WITHIN)


async def test_scaling_up_and_down_loses_no_message(compose: Compose, anna: User) -> None:
    async def scale(count: int) -> None:
        await asyncio.to_thread(compose.run, "up", "-d", "--no-recreate", "--scale", f"conversations={count}")
        await becomes(lambda: len(compose.instances("conversations")), count, within=HEALTHY_WITHIN)

    async def say(said: list[str]) -> None:
        for text in said:
            await anna.say(PHONE, text)

    first, second = [f"up {n}" for n in range(30)], [f"down {n}" for n in range(30)]
    await asyncio.gather(scale(3), say(first))
    await asyncio.gather(scale(2), say(second))

    assert Counter(message["body"] for message in await anna.messages(PHONE)) == Counter(first + second)


async def test_data_outlives_its_containers(compose: Compose, anna: User) -> None:
    await anna.say(PHONE, "kept")

    compose.run("down")
    compose.run("up", "-d")
    compose.wait_until_healthy()

    assert [message["body"] for message in await anna.messages(PHONE)] == ["kept"]
