"""Malformed packets of hostile or broken clients: they end the client's own connection and affect no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import ClientWebSocketResponse

from switchboard.testing import becomes

from .client import received_until_closed
from .cluster import Cluster
from .fixtures import ANNA, headers_of, read_by

WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"
LONG = 70_000


@asynccontextmanager
async def connect_raw(cluster: Cluster) -> AsyncIterator[ClientWebSocketResponse]:
    """A WebSocket that can send anything, after CONNECT and `session.ready`."""
    async with (
        aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http,
        http.ws_connect(WEBSOCKET) as socket,
    ):
        assert (await socket.receive_str()).startswith("0{")
        await socket.send_str("40")
        assert (await socket.receive_str()).startswith("40{")
        assert (await socket.receive_str()).startswith('42["session.ready"')
        yield socket


async def next_message(socket: ClientWebSocketResponse) -> str:
    """The next message except `presence.changed`, which may come at any time."""
    while (message := await socket.receive_str()).startswith('42["presence.changed"'):
        pass
    return message


MALFORMED = [
    "", "x", "9", "3" + "[" * 30_000, "4", "4x", "42", "42{}", "42[]", "42[5]", '42["typing"', "42" + "[" * 30_000,
    '42["disconnect","x"]', '42["connect",{}]', "44{}", "46", "42²[]", '451-["x",{"_placeholder":true,"num":0}]',
    '459999999999-["x"]', '461-1["x"]', "4" + "1" * 200, "x" * LONG, "4" + "2" * LONG,
]  # fmt: skip


async def test_a_malformed_packet_ends_its_own_connection_only(cluster: Cluster) -> None:
    other = await cluster.connect(ANNA)
    for message in MALFORMED:
        async with connect_raw(cluster) as socket:
            await socket.send_str(message)

            await received_until_closed(socket)
    await cluster.append(read_by(ANNA, 1))
    await becomes(lambda: other.seqs, [1])
    await becomes(cluster.instances[0].sockets, 1)


async def test_binary_frames_end_the_connection(cluster: Cluster) -> None:
    async with connect_raw(cluster) as socket:
        await socket.send_bytes(b"4" + bytes(1000))

        await received_until_closed(socket)
    await becomes(cluster.instances[0].sockets, 0)


async def test_unknown_events_acknowledgements_and_namespaces_are_harmless(cluster: Cluster) -> None:
    async with connect_raw(cluster) as socket:
        for message in (
            '42["nonsense",1,2]',
            '427["nonsense"]',
            '43999["x"]',
            '43{"a":1}',
            "40/admin,",
            '42/admin,["x"]',
        ):
            await socket.send_str(message)
        refused, unknown = sorted([await next_message(socket), await next_message(socket)])[::-1]
        assert (refused[:9], unknown) == ("44/admin,", '437[{"error":"unknown_event"}]')

        await cluster.append(read_by(ANNA, 1))

        assert '"seq":1' in await next_message(socket)


async def test_a_second_connect_on_one_socket_duplicates_nothing(cluster: Cluster) -> None:
    async with connect_raw(cluster) as socket:
        await socket.send_str("40")
        assert (await next_message(socket)).startswith("44")

        await cluster.append(read_by(ANNA, 1), read_by(ANNA, 2))

        assert ['"seq":1' in await next_message(socket), '"seq":2' in await next_message(socket)] == [True, True]


async def test_a_socket_may_try_one_token_only(cluster: Cluster) -> None:
    async with (
        aiohttp.ClientSession(cluster.instances[0].url) as http,
        http.ws_connect(WEBSOCKET) as socket,
    ):
        await socket.receive_str()
        for _ in range(3):
            await socket.send_str('40{"token":"guess"}')

        received = await received_until_closed(socket)

    assert [message for message in received if message.startswith("44")] == ['44{"message":"unauthenticated"}']


async def test_a_client_that_leaves_during_authentication_leaves_no_member(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http:
        for _ in range(20):
            async with http.get(POLLING) as answer:
                sid = (await answer.text()).split('"sid":"')[1].partition('"')[0]
            connecting, leaving = (http.post(f"{POLLING}&sid={sid}", data=message) for message in ("40", "1"))
            await asyncio.gather(connecting, leaving)

    await becomes(cluster.instances[0].sockets, 0)
    await becomes(cluster.instances[0].members, 0)


async def test_a_poll_with_a_malformed_body_ends_its_connection(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http:
        for body in (b"\xff\xfe", b"40\x1e" * 20, b"x", b"3" + b"[" * 30_000, b"d=", b"4" * LONG, b"b4AAA"):
            async with http.get(POLLING) as answer:
                sid = (await answer.text()).split('"sid":"')[1].partition('"')[0]
            async with http.post(f"{POLLING}&sid={sid}", data=body) as answer:
                assert answer.status == 400, body[:20]

    await becomes(cluster.instances[0].sockets, 0)


async def test_hundreds_of_silent_connections_block_no_client(cluster: Cluster) -> None:
    async with aiohttp.ClientSession(cluster.instances[0].url, connector=aiohttp.TCPConnector(limit=0)) as http:
        silent = await asyncio.gather(*(http.ws_connect(WEBSOCKET) for _ in range(300)))
        client = await cluster.connect(ANNA)

        await cluster.append(read_by(ANNA, 1))

        await becomes(lambda: client.seqs, [1])
        await asyncio.gather(*(socket.close() for socket in silent))
    await becomes(cluster.instances[0].sockets, 1)
