"""Lost connections and slow instances: what is retried, what is cut off, and what the client is told."""

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from api_gateway.proxy import bodies
from api_gateway.upstreams import health_probes
from api_gateway.upstreams.upstreams import Address, Instance


@pytest.fixture
def fast_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_probes, "PROBE_EACH", 0.05)
    monkeypatch.setattr(health_probes, "PROBE_SECONDS", 0.1)


async def disconnect(request: web.Request) -> web.StreamResponse:
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def ok(_request: web.Request) -> web.StreamResponse:
    return web.Response()


async def slow(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(1.0)
    return web.Response()


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5.0)
    return web.Response()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("instances", [1, 2])
async def test_a_request_lost_at_every_instance_is_upstream_lost(stack: Any, method: str, instances: int) -> None:
    urls = [await stack.service(disconnect) for _ in range(instances)]
    gateway = await stack.gateway(files_urls=tuple(urls))

    async with stack.client.request(
        method, f"{gateway}/api/v1/files/1", headers={"Idempotency-Key": "k"}, data=b"x"
    ) as answer:
        problem = await answer.json()

    assert (answer.status, problem["code"]) == (503, "upstream_lost")
    assert "Idempotency-Key" in problem["detail"]


async def test_lost_at_one_instance_with_the_other_down_is_upstream_lost(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(disconnect), "http://127.0.0.1:1"))

    codes = set()
    for _ in range(4):
        async with stack.client.delete(f"{gateway}/api/v1/files/1") as answer:
            codes.add((await answer.json())["code"])

    assert codes == {"upstream_lost"}


@pytest.mark.usefixtures("fast_probes")
async def test_no_request_is_cut_off_while_all_instances_are_slow(stack: Any) -> None:
    urls = [await stack.service(slow, ready=hang) for _ in range(2)]
    gateway = await stack.gateway(files_urls=tuple(urls))

    statuses = await asyncio.gather(
        *(stack.status("POST", f"{gateway}/api/v1/files", data=b"x") for _ in range(8)),
    )

    assert statuses == [200] * 8


@pytest.mark.usefixtures("fast_probes")
async def test_an_instance_that_answers_requests_does_not_hang(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(ok, ready=hang), await stack.service(ok)))

    async def stays_in_use() -> None:
        for _ in range(40):
            assert await stack.status("POST", f"{gateway}/api/v1/files", data=b"x") == 200
            await asyncio.sleep(0.02)
        async with stack.client.get(f"{gateway}/health") as answer:
            report = await answer.json()
        assert [one["state"] for one in report["services"]["files"]] == ["ready", "ready"]

    await stays_in_use()


@pytest.mark.usefixtures("fast_probes")
async def test_requests_leave_a_hanging_instance_for_a_better_one(stack: Any) -> None:
    gateway = await stack.gateway(files_urls=(await stack.service(hang, ready=hang), await stack.service(ok)))

    async with asyncio.timeout(4):
        statuses = await asyncio.gather(*(stack.status("GET", f"{gateway}/api/v1/files") for _ in range(4)))

    assert statuses == [200] * 4


async def test_a_connection_that_the_service_has_closed_is_not_used_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        instance = Instance(Address("127.0.0.1", port, f"127.0.0.1:{port}"))
        connection = await instance.connect()
        accepted, _ = listening.accept()
        exchange = connection.begin(b"GET / HTTP/1.1\r\n\r\n", complete=True)
        accepted.recv(100)
        accepted.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await exchange.head
        accepted.close()  # the event loop hasn't seen it when the next request comes

        assert await instance.connect() is not connection
        instance.close()


async def test_a_body_that_trickles_in_is_408(stack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SLOW_SECONDS", 0.5)

    async def trickle() -> Any:
        for _ in range(40):
            yield b"x"
            await asyncio.sleep(0.1)

    async def read(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    gateway = await stack.gateway(files_urls=(await stack.service(read),))

    async with stack.client.post(f"{gateway}/api/v1/files", data=trickle()) as answer:
        assert (answer.status, answer.headers["Connection"]) == (408, "close")
        assert (await answer.json())["code"] == "body_too_slow"
