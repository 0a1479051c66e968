"""A client that doesn't read costs a bounded amount of memory, and then its connection."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import aiohttp
import psutil
import pytest

from switchboard.client import LiveClient, LiveEvent
from switchboard.http.identity import Identity
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel
from switchboard.messaging.outbox.rows import row_of
from switchboard.testing import becomes, until

from .processes import AUTH_TENANT, auth_of_everybody, realtime
from .test_catching_up import large
from .world import ANNA, headers_of, open_world, read_by


async def deaf_socket(url: str, who: Identity | None = None, *, said: str = "") -> socket.socket:
    """A WebSocket that joins, and never reads after that. `said`: what goes with its CONNECT."""
    host, _, port = url.removeprefix("http://").partition(":")
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
        *(f"{name}: {value}" for name, value in (headers_of(who) if who else {}).items()),
    ]
    await loop.sock_sendall(deaf, ("\r\n".join(lines) + "\r\n\r\n").encode())
    await loop.sock_recv(deaf, 1024)
    connect = f"40{said}".encode()  # short enough for a length of one byte, and masked by zeros
    await loop.sock_sendall(deaf, bytes([0x81, 0x80 | len(connect), 0, 0, 0, 0]) + connect)
    return deaf


async def test_a_client_that_never_reads_is_cut_off_and_the_others_hear_everything(
    amqp_url: str, redis_url: str
) -> None:
    async with open_world(amqp_url, redis_url, socket_backlog_bytes=100_000) as world:
        await world.start()
        client = await world.connect(ANNA)
        deaf = await deaf_socket(world.instances[0].url, ANNA)
        metrics = f"{world.instances[0].url}/metrics"

        sent = 0
        async with asyncio.timeout(90):
            while await read_metric(metrics, "realtime_sockets_dropped_total") < 1:
                big = [read_by(ANNA, seq).model_copy(update={"contact_phone": "x" * 10_000}) for seq in range(50)]
                await world.append(*big)
                sent += 50
                await becomes(lambda: len(client.seqs), sent)

        await world.append(read_by(ANNA, 1))
        await becomes(lambda: len(client.seqs), sent + 1)
        await until(lambda: has_ended(deaf))
        deaf.close()


async def test_a_client_that_polls_and_is_cut_off_hears_nothing_of_what_comes_after_the_gap(
    amqp_url: str, redis_url: str
) -> None:
    async with open_world(amqp_url, redis_url, socket_backlog_bytes=50_000) as world:
        await world.start()
        client = await world.connect(ANNA, transports=["polling"])
        before = client.last_event_id

        await world.append(*(large(seq, 20_000) for seq in range(20)))

        await until(lambda: client.ended is not None)
        assert client.seqs == list(range(len(client.seqs)))
        back = await world.connect(ANNA, last_event_id=client.last_event_id if client.events else before)
        await becomes(lambda: client.seqs + back.seqs, list(range(20)))


async def read_metric(url: str, name: str) -> float:
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


LISTENERS = 3
EVENTS = 10_000
PER_SECOND = 500
FILLER = "x" * 1000
BACKLOG_MIB = 1  # what may wait for one client, by default


@dataclass
class Ear:
    """One who reads: what it heard, and how long after it was published, in seconds."""

    seqs: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    async def hear(self, event: LiveEvent) -> None:
        self.seqs.append(event.data["seq"])
        self.delays.append(time() - float(event.data["contact_phone"].partition(" ")[0]))

    async def reload(self) -> None:
        pass


@dataclass(frozen=True)
class Pouring:
    """How it went: milliseconds from publishing to hearing, and by how much the instance grew at most."""

    p50_ms: float
    p99_ms: float
    grown_mib: float


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_client_that_never_reads_costs_hardly_any_memory_and_disturbs_nobody(
    amqp_url: str, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(auth_of_everybody())
        environment = {"AMQP_URL": amqp_url, "REDIS_URL": redis_url, "AUTH_URLS": auth}
        instance, url = await stack.enter_async_context(realtime(tmp_path, "realtime-1", **environment))
        broker = Broker(amqp_url, "test")
        stack.push_async_callback(broker.close)
        channel = ConfirmChannel(await stack.enter_async_context(broker.channel(confirms=True)))
        ears = [Ear() for _ in range(LISTENERS)]
        for ear in ears:
            live = LiveClient(url, str(ANNA.user_id), on_event=ear.hear, on_reload=ear.reload)
            await (await stack.enter_async_context(live)).connected.wait()
        process = psutil.Process(instance.pid)
        await pour(channel, ears, process)  # until all that is allocated once is allocated

        without = await pour(channel, ears, process)
        deaf = await deaf_socket(url, said=f'{{"token":"{ANNA.user_id}"}}')
        stack.callback(deaf.close)
        beside = await pour(channel, ears, process)

        dropped = await read_metric(f"{url}/metrics", "realtime_sockets_dropped_total")
        await until(lambda: has_ended(deaf))

    with capsys.disabled():
        print(f"\nwithout: {without}\nbeside one that never reads: {beside}")
    assert dropped == 1
    wanted = sorted([*range(EVENTS)] * 3)  # many are published at once: their order is not the point here
    assert [sorted(ear.seqs) for ear in ears] == [wanted] * LISTENERS
    assert beside.grown_mib < without.grown_mib + BACKLOG_MIB + 4


async def pour(channel: ConfirmChannel, ears: list[Ear], process: psutil.Process) -> Pouring:
    """20 seconds' worth of events of 1 KB to everybody, until all is heard."""
    before = most = process.memory_info().rss
    for ear in ears:
        ear.delays.clear()
    heard = len(ears[0].seqs) + EVENTS
    now = asyncio.get_running_loop().time
    began = now()
    async with asyncio.TaskGroup() as publishing:
        for seq in range(EVENTS):
            publishing.create_task(publish(channel, seq))
            most = max(most, process.memory_info().rss) if seq % 50 == 0 else most
            await asyncio.sleep(max(0.0, began + (seq + 1) / PER_SECOND - now()))
    await until(lambda: all(len(ear.seqs) >= heard for ear in ears), within=120)
    delays = sorted(delay for ear in ears for delay in ear.delays)
    return Pouring(
        round(delays[len(delays) // 2] * 1000, 1),
        round(delays[int(len(delays) * 0.99)] * 1000, 1),
        round((most - before) / 2**20, 1),
    )


async def publish(channel: ConfirmChannel, seq: int) -> None:
    event = read_by(ANNA, seq).model_copy(update={"contact_phone": f"{time():.6f} {FILLER}"})
    row = row_of(event, source="conversations", tenant_id=AUTH_TENANT)
    await channel.publish(row.exchange, row.routing_key, row.body, type=row.type, event_id=row.event_id)
