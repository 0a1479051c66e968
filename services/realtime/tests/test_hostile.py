"""Clients that mean harm, or are broken: they lose their own connection, and nobody else notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType

from realtime.transport.packets import Senseless, check_frame, read_packet
from switchboard.testing import becomes

from .test_slow_clients import read_metric
from .world import ANNA, World, headers_of, read_by

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"
LONG = 70_000


@asynccontextmanager
async def raw(world: World, *, joined: bool = True) -> AsyncIterator[ClientWebSocketResponse]:
    """A WebSocket to say anything through; behind its CONNECT, if `joined`."""
    async with (
        aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http,
        http.ws_connect(WEBSOCKET) as socket,
    ):
        assert (await socket.receive_str()).startswith("0{")
        if joined:
            await socket.send_str("40")
            assert (await socket.receive_str()).startswith("40{")
            assert (await socket.receive_str()).startswith('42["session.ready"')
        yield socket


async def answered(socket: ClientWebSocketResponse) -> str:
    """What is heard next, but for who is online: that is told whenever it has become known."""
    while (words := await socket.receive_str()).startswith('42["presence.changed"'):
        pass
    return words


async def heard_until_closed(socket: ClientWebSocketResponse) -> list[str]:
    heard = []
    async with asyncio.timeout(30):
        while (message := await socket.receive()).type is WSMsgType.TEXT:
            heard.append(message.data)
    return heard


SENSELESS = [
    "", "x", "9", "3" + "[" * 30_000, "4", "4x", "42", "42{}", "42[]", "42[5]", '42["typing"', "42" + "[" * 30_000,
    '42["disconnect","x"]', '42["connect",{}]', "44{}", "46", "42²[]", '451-["x",{"_placeholder":true,"num":0}]',
    '459999999999-["x"]', '461-1["x"]', "4" + "1" * 200, "x" * LONG, "4" + "2" * LONG,
]  # fmt: skip


async def test_senseless_words_end_the_connection_and_nobody_elses(world: World) -> None:
    other = await world.connect(ANNA)
    for words in SENSELESS:
        async with raw(world) as socket:
            await socket.send_str(words)

            await heard_until_closed(socket)
    await world.append(read_by(ANNA, 1))
    await becomes(lambda: other.seqs, [1])
    await becomes(lambda: sockets_of(world), 1)


async def test_binary_frames_end_the_connection(world: World) -> None:
    async with raw(world) as socket:
        await socket.send_bytes(b"4" + bytes(1000))

        await heard_until_closed(socket)
    await becomes(lambda: sockets_of(world), 0)


async def test_unknown_events_acknowledgements_and_namespaces_do_no_harm(world: World) -> None:
    async with raw(world) as socket:
        for words in (
            '42["nonsense",1,2]',
            '427["nonsense"]',
            '43999["x"]',
            '43{"a":1}',
            "40/admin,",
            '42/admin,["x"]',
        ):
            await socket.send_str(words)
        refused, unknown = sorted([await answered(socket), await answered(socket)])[::-1]
        assert (refused[:9], unknown) == ("44/admin,", '437[{"error":"unknown_event"}]')

        await world.append(read_by(ANNA, 1))

        assert '"seq":1' in await answered(socket)


async def test_a_second_connect_on_one_socket_doubles_nothing(world: World) -> None:
    async with raw(world) as socket:
        await socket.send_str("40")
        assert (await answered(socket)).startswith("44")

        await world.append(read_by(ANNA, 1), read_by(ANNA, 2))

        assert ['"seq":1' in await answered(socket), '"seq":2' in await answered(socket)] == [True, True]


async def test_a_socket_may_try_one_token_only(world: World) -> None:
    async with (
        aiohttp.ClientSession(world.instances[0].url) as http,
        http.ws_connect(WEBSOCKET) as socket,
    ):
        await socket.receive_str()
        for _ in range(3):
            await socket.send_str('40{"token":"guess"}')

        heard = await heard_until_closed(socket)

    assert [words for words in heard if words.startswith("44")] == ['44{"message":"unauthenticated"}']


async def test_one_who_leaves_while_being_looked_at_leaves_nothing_behind(world: World) -> None:
    async with aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http:
        for _ in range(20):
            async with http.get(POLLING) as answer:
                sid = (await answer.text()).split('"sid":"')[1].partition('"')[0]
            connecting, leaving = (http.post(f"{POLLING}&sid={sid}", data=words) for words in ("40", "1"))
            await asyncio.gather(connecting, leaving)

    await becomes(lambda: sockets_of(world), 0)
    await becomes(lambda: members_of(world), 0)


async def test_a_polls_senseless_body_ends_its_connection(world: World) -> None:
    async with aiohttp.ClientSession(world.instances[0].url, headers=headers_of(ANNA)) as http:
        for body in (b"\xff\xfe", b"40\x1e" * 20, b"x", b"3" + b"[" * 30_000, b"d=", b"4" * LONG, b"b4AAA"):
            async with http.get(POLLING) as answer:
                sid = (await answer.text()).split('"sid":"')[1].partition('"')[0]
            async with http.post(f"{POLLING}&sid={sid}", data=body) as answer:
                assert answer.status == 400, body[:20]

    await becomes(lambda: sockets_of(world), 0)


async def test_hundreds_who_come_and_say_nothing_hinder_nobody(world: World) -> None:
    async with aiohttp.ClientSession(world.instances[0].url, connector=aiohttp.TCPConnector(limit=0)) as http:
        silent = await asyncio.gather(*(http.ws_connect(WEBSOCKET) for _ in range(300)))
        client = await world.connect(ANNA)

        await world.append(read_by(ANNA, 1))

        await becomes(lambda: client.seqs, [1])
        await asyncio.gather(*(socket.close() for socket in silent))
    await becomes(lambda: sockets_of(world), 1)


@pytest.mark.parametrize("frame", [None, b"40", "", "7", "²", "2" + "x" * 20])
def test_a_frame_that_engine_io_cannot_read_is_senseless(frame: Any) -> None:
    with pytest.raises(Senseless):
        check_frame(frame)


def test_what_clients_do_send_is_read() -> None:
    connect, event = read_packet('0{"token":"t"}'), read_packet('27["typing",{"typing":true}]')

    assert (connect.packet_type, connect.namespace, connect.data) == (0, None, {"token": "t"})
    assert (event.packet_type, event.id, event.data) == (2, 7, ["typing", {"typing": True}])


async def sockets_of(world: World) -> float:
    return await read_metric(f"{world.instances[0].url}/metrics", "realtime_sockets")


async def members_of(world: World) -> float:
    return await read_metric(f"{world.instances[0].url}/metrics", "realtime_members")
