"""`/socket.io/`: WebSockets pass as bytes, long polling has sticky sessions."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from switchboard.testing.waiting import until

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"


class FakeRealtime:
    """Echoes on WebSockets, answers polls with its name, records the identities."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identities: list[str | None] = []
        self.open = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.identities.append(request.headers.get("X-Switchboard-Identity"))
        if request.headers.get("Upgrade") != "websocket":
            return web.Response(text=self.name)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        self.open += 1
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            else:
                await socket.send_str(f"{self.name}: {message.data}")
        self.open -= 1
        return socket


async def test_a_websocket_passes_both_ways_with_its_identity(stack: Any) -> None:
    realtime = FakeRealtime("one")
    gateway = await stack.gateway(await stack.auth(), realtime_urls=(await stack.service(realtime.serve),))
    token = (await stack.sign_up(gateway))["session"]["token"]
    large = bytes(range(256)) * 4096

    headers = {"Cookie": f"session={token}", "Origin": gateway}
    async with stack.client.ws_connect(gateway + WEBSOCKET, headers=headers, max_msg_size=0) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "one: hello"
        await socket.send_bytes(large)
        assert await socket.receive_bytes() == large
        await socket.ping()

    assert realtime.identities[0] is not None
    await until(lambda: realtime.open == 0)


async def test_a_websocket_with_the_cookie_from_another_site_is_refused(stack: Any) -> None:
    gateway = await stack.gateway(await stack.auth(), realtime_urls=(await stack.service(FakeRealtime("one").serve),))
    token = (await stack.sign_up(gateway))["session"]["token"]

    for origin in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stack.client.ws_connect(gateway + WEBSOCKET, headers={"Cookie": f"session={token}", **origin})
        assert refused.value.status == 403


async def test_a_client_without_a_session_reaches_realtime_without_identity(stack: Any) -> None:
    realtime = FakeRealtime("one")
    gateway = await stack.gateway(await stack.auth(), realtime_urls=(await stack.service(realtime.serve),))

    async with stack.client.ws_connect(gateway + WEBSOCKET, headers={"Authorization": "Bearer unknown"}) as socket:
        await socket.send_str("x")
        assert await socket.receive_str() == "one: x"

    assert realtime.identities == [None]


async def test_a_websocket_closes_when_its_instance_disconnects(stack: Any) -> None:
    async def disconnect_soon(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        assert request.transport is not None
        request.transport.abort()
        return socket

    gateway = await stack.gateway(realtime_urls=(await stack.service(disconnect_soon),))

    async with stack.client.ws_connect(gateway + WEBSOCKET) as socket:
        await socket.send_str("bye")
        message = await asyncio.wait_for(socket.receive(), 30)

    assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)


async def test_sticky_sessions_choose_one_instance_at_every_gateway(stack: Any) -> None:
    auth = await stack.auth()
    urls = tuple([await stack.service(FakeRealtime(name).serve) for name in "abc"])
    gateways = await stack.gateway(auth, realtime_urls=urls), await stack.gateway(auth, realtime_urls=urls)
    tokens = [(await stack.sign_up(gateways[0], f"user{n}@example.com"))["session"]["token"] for n in range(6)]
    seen: dict[str, set[str]] = {}

    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        for gateway in gateways:
            for path in (POLLING, f"{POLLING}&sid=1", f"{POLLING}&sid=1"):
                async with stack.client.get(gateway + path, headers=headers) as answer:
                    seen.setdefault(token, set()).add(await answer.text())

    assert [len(names) for names in seen.values()] == [1] * 6
    assert len(set.union(*seen.values())) > 1


async def test_polls_leave_a_dead_instance(stack: Any) -> None:
    gateway = await stack.gateway(
        realtime_urls=("http://127.0.0.1:1", await stack.service(FakeRealtime("alive").serve))
    )

    for n in range(8):
        async with stack.client.get(f"{gateway}{POLLING}", headers={"User-Agent": f"agent {n}"}) as answer:
            assert await answer.text() == "alive"


async def test_the_sid_finds_the_instance_of_a_client_that_changes(stack: Any) -> None:
    urls = tuple([await stack.service(_gives_out_sids(name)) for name in "abc"])
    gateways = await stack.gateway(realtime_urls=urls), await stack.gateway(realtime_urls=urls)

    for n in range(12):
        async with stack.client.get(gateways[0] + POLLING, headers={"User-Agent": f"agent {n}"}) as answer:
            name, sid = (await answer.text()).split()
        for gateway in gateways:
            async with stack.client.get(f"{gateway}{POLLING}&sid={sid}", headers={"User-Agent": "another"}) as answer:
                assert (await answer.text()).split()[0] == name
            async with stack.client.ws_connect(f"{gateway}{WEBSOCKET}&sid={sid}", headers={"User-Agent": ""}) as socket:
                assert await socket.receive_str() == name


def _gives_out_sids(name: str) -> Any:
    """A service that answers with its name and with a sid like those of realtime."""

    async def serve(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade") != "websocket":
            return web.Response(text=f"{name} {request.headers.get('X-Switchboard-Sticky')}.x")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(name)
        return socket

    return serve


async def test_a_held_poll_is_ended_when_the_gateway_stops(stack: Any) -> None:
    """At once and with what realtime has for it: its client polls on through another gateway."""
    packets: asyncio.Queue[str] = asyncio.Queue()
    polls: list[str] = []

    async def realtime(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and await request.text() == "5":
            packets.put_nowait("6")
            return web.Response(text="OK")
        polls.append(request.query["sid"])
        return web.Response(text=await packets.get())

    gateway = await stack.gateway(realtime_urls=(await stack.service(realtime),))

    async def poll() -> tuple[int, str]:
        async with aiohttp.ClientSession() as http, http.get(f"{gateway}{POLLING}&sid=one") as answer:
            return answer.status, await answer.text()

    held = asyncio.create_task(poll())
    await until(lambda: polls == ["one"])
    await stack.close()

    assert await held == (200, "6")
