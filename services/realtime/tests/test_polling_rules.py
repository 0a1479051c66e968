"""What Engine.IO and WebSocket ask of a server: whose polls a connection takes, one at a time, and masked frames."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
import socketio
from aiohttp import WSCloseCode
from yarl import URL

from switchboard.testing import becomes

from .client import received_until_closed
from .cluster import Cluster
from .fixtures import ANNA, BEN, headers_of, read_by
from .test_malformed_packets import POLLING, WEBSOCKET, connect_raw


@asynccontextmanager
async def polling(cluster: Cluster, headers: Mapping[str, str]) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A connection that polls, before CONNECT: its HTTP client, and the path with its sid."""
    async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers) as http:
        async with http.get(POLLING) as answer:
            sid = (await answer.text()).split('"sid":"')[1].partition('"')[0]
        yield http, f"{POLLING}&sid={sid}"


async def test_a_sid_is_of_no_use_to_another_session(cluster: Cluster) -> None:
    async with polling(cluster, headers_of(ANNA)) as (http, path):
        await (await http.post(path, data="40")).read()
        await cluster.append(read_by(ANNA, 1))

        async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(BEN)) as other:
            assert (await other.get(path)).status == 400
            assert (await other.post(path, data="41")).status == 400
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await other.ws_connect(path.replace("polling", "websocket"))
        heard = ""
        while '"seq":1' not in heard:
            heard += await (await http.get(path)).text()


async def test_two_polls_at_once_end_the_connection(cluster: Cluster) -> None:
    async with polling(cluster, headers_of(ANNA)) as (http, path):
        await (await http.post(path, data="40")).read()
        while "session.ready" not in await (await http.get(path)).text():
            pass
        # Several, since an event, such as of presence, may answer the first at once.
        polls = await asyncio.gather(*(http.get(path) for _ in range(4)))
        answers = [(poll.status, await poll.text()) for poll in polls]

        assert 400 in {status for status, _ in answers}
        assert any(status == 200 and text.endswith("1") for status, text in answers)
    await becomes(cluster.instances[0].sockets, 0)


async def test_packets_that_connect_and_disconnect_are_limited(cluster: Cluster) -> None:
    async with connect_raw(cluster) as socket:
        for _ in range(100):
            await socket.send_str("41")
            await socket.send_str("40")

        received = await received_until_closed(socket)

    assert sum(message.startswith("40") for message in received) <= 10


@pytest.mark.parametrize("size", [2, 200, 70_000])
async def test_a_frame_without_a_mask_ends_the_connection(cluster: Cluster, size: int) -> None:
    text = b"4" + b"0" * size
    length = {2: b"\x03", 200: b"\x7e\x00\xc9", 70_000: b"\x7f" + (70_001).to_bytes(8, "big")}[size]
    async with connect_raw(cluster) as socket:
        await socket.send_str("3")  # masked
        socket._writer.transport.write(b"\x81" + length + text)

        await received_until_closed(socket)

        assert socket.close_code == WSCloseCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("early", "late", "answer"),
    [
        (b"\x81\x0240", b"", b"\x88\x02\x03\xea"),  # without a mask: closed with 1002
        (b"\x81\x82\x00\x00\x00\x0040", b"", b'40{"sid"'),
        (b"\x81\x82\x00\x00\x00", b"\x0040", b'40{"sid"'),
        (b"\x81\x82\x00\x00\x00\x004", b"0", b'40{"sid"'),
    ],
)
async def test_frames_sent_with_the_handshake(cluster: Cluster, early: bytes, late: bytes, answer: bytes) -> None:
    url = URL(cluster.instances[0].url)
    handshake = {
        "Host": "realtime", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **headers_of(ANNA),
    }  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in handshake.items())
    reader, writer = await asyncio.open_connection(url.host, url.port)

    writer.write(f"GET {WEBSOCKET} HTTP/1.1\r\n{head}\r\n".encode() + early)
    await reader.readuntil(b'"sid"')
    writer.write(late)

    async with asyncio.timeout(10):
        await reader.readuntil(answer)
    writer.close()


async def test_frames_in_any_pieces_are_taken(cluster: Cluster) -> None:
    async with (
        aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http,
        http.ws_connect(WEBSOCKET) as socket,
    ):
        await socket.receive_str()
        transport = socket._writer.transport
        frame = (
            b"\x81\x82\x00\x00\x00\x0040"
            + b"\x81\xfe\x00\x8a\x00\x00\x00\x00"
            + b'427["presence.set",{"status":"'
            + b"x" * 105
        )
        for at in range(len(frame)):
            transport.write(frame[at : at + 1])
            await asyncio.sleep(0)

        assert (await socket.receive_str()).startswith("40{")
        assert (await socket.receive_str()).startswith('42["session.ready"')


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_refused_client_is_told_why(cluster: Cluster, transport: str) -> None:
    refused: list[object] = []
    client = socketio.AsyncClient(reconnection=False)
    client.on("connect_error", refused.append)

    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(cluster.instances[0].url, auth={"token": "bad"}, transports=[transport], wait_timeout=10)

    assert refused == [{"message": "unauthenticated"}]
    await client.disconnect()


async def test_an_unknown_namespace_is_refused_with_a_message(cluster: Cluster) -> None:
    async with connect_raw(cluster) as socket:
        await socket.send_str("40/admin,")

        while (message := await socket.receive_str()).startswith("42"):
            pass

    assert message == '44/admin,{"message":"unknown_namespace"}'
