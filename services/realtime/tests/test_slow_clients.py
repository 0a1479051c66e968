"""A client that doesn't read costs a bounded amount of memory, and then its connection."""

from __future__ import annotations

import asyncio
import base64
import os
import socket

from switchboard.testing import becomes, until

from .world import ANNA, World, headers_of, open_world, read_by


async def deaf_socket(world: World) -> socket.socket:
    """A WebSocket that joins, and never reads after that."""
    host, _, port = world.instances[0].url.removeprefix("http://").partition(":")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, (host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in headers_of(ANNA).items()),
    ]
    await loop.sock_sendall(deaf, ("\r\n".join(lines) + "\r\n\r\n").encode())
    await loop.sock_recv(deaf, 1024)
    await loop.sock_sendall(deaf, b"\x81\x82\x00\x00\x00\x0040")  # Socket.IO's CONNECT, masked by zeros
    return deaf


async def test_a_client_that_never_reads_is_cut_off_and_the_others_hear_everything(
    amqp_url: str, redis_url: str
) -> None:
    async with open_world(amqp_url, redis_url, socket_backlog_bytes=100_000) as world:
        await world.start()
        client = await world.connect(ANNA)
        deaf = await deaf_socket(world)
        metrics = f"{world.instances[0].url}/metrics"

        sent = 0
        async with asyncio.timeout(30):
            while await read_metric(metrics, "realtime_sockets_dropped_total") < 1:
                big = [read_by(ANNA, seq).model_copy(update={"contact_phone": "x" * 10_000}) for seq in range(50)]
                await world.append(*big)
                sent += 50
                await becomes(lambda: len(client.seqs), sent)

        await world.append(read_by(ANNA, 1))
        await becomes(lambda: len(client.seqs), sent + 1)
        await until(lambda: has_ended(deaf))
        deaf.close()


async def read_metric(url: str, name: str) -> float:
    import aiohttp

    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        lines = (await answer.text()).splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


def has_ended(deaf: socket.socket) -> bool:
    """Reads what is left in the kernel, up to the end."""
    try:
        while deaf.recv(1_000_000):
            pass
        return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
