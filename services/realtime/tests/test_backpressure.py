"""Socket backpressure: a client that doesn't read costs a bounded amount of memory, and then its connection."""

import asyncio
import base64
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import psutil
import pytest

from switchboard.client import LiveClient, LiveEvent
from switchboard.http.identity import Identity
from switchboard.messaging.broker.connection import Broker
from switchboard.messaging.outbox.publisher import ConfirmChannel, Publication
from switchboard.messaging.outbox.rows import row_of
from switchboard.testing import becomes, until

from .client import read_metric
from .cluster import open_cluster
from .fixtures import ANNA, headers_of, large, read_by
from .processes import AUTH_TENANT, permissive_auth, realtime


async def silent_reader(url: str, user: Identity | None = None, *, payload: str = "") -> socket.socket:
    """A WebSocket that connects, and never reads after that. `payload`: the payload of its CONNECT."""
    host, _, port = url.removeprefix("http://").partition(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, (host, int(port)))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        *(f"{name}: {value}" for name, value in (headers_of(user) if user else {}).items()),
    ]
    await loop.sock_sendall(slow, ("\r\n".join(lines) + "\r\n\r\n").encode())
    await loop.sock_recv(slow, 1024)
    connect = f"40{payload}".encode()  # short enough for a length of one byte, and masked by zeros
    await loop.sock_sendall(slow, bytes([0x81, 0x80 | len(connect), 0, 0, 0, 0]) + connect)
    return slow


async def test_a_client_that_never_reads_is_disconnected_alone(product_amqp_url: str, redis_url: str) -> None:
    async with open_cluster(product_amqp_url, redis_url, socket_backlog_bytes=100_000) as cluster:
        await cluster.start()
        client = await cluster.connect(ANNA)
        slow = await silent_reader(cluster.instances[0].url, ANNA)

        sent = 0
        async with asyncio.timeout(90):
            while await read_metric(cluster.instances[0].url, "realtime_sockets_dropped_total") < 1:
                big = [read_by(ANNA, seq).model_copy(update={"contact_phone": "x" * 10_000}) for seq in range(50)]
                await cluster.append(*big)
                sent += 50
                await becomes(lambda: len(client.seqs), sent)

        await cluster.append(read_by(ANNA, 1))
        await becomes(lambda: len(client.seqs), sent + 1)
        await until(lambda: has_ended(slow))
        slow.close()


async def test_a_slow_polling_client_gets_nothing_after_the_first_gap(product_amqp_url: str, redis_url: str) -> None:
    async with open_cluster(product_amqp_url, redis_url, socket_backlog_bytes=50_000) as cluster:
        await cluster.start()
        client = await cluster.connect(ANNA, transports=["polling"])
        before = client.last_event_id

        await cluster.append(*(large(seq, 20_000) for seq in range(20)))

        await until(lambda: client.ended is not None)
        assert client.seqs == list(range(len(client.seqs)))
        back = await cluster.connect(ANNA, last_event_id=client.last_event_id if client.events else before)
        await becomes(lambda: client.seqs + back.seqs, list(range(20)))


def has_ended(slow: socket.socket) -> bool:
    """Whether the connection is closed, after reading what is left in the kernel."""
    try:
        while slow.recv(1_000_000):
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
BACKLOG_MIB = 1  # the default bound on what waits for one client


@dataclass
class Reader:
    """A client that reads: the numbers of its events, and their delays in seconds."""

    seqs: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    async def receive(self, event: LiveEvent) -> None:
        self.seqs.append(event.data["seq"])
        self.delays.append(time() - float(event.data["contact_phone"].partition(" ")[0]))

    async def reload(self) -> None:
        pass


@dataclass(frozen=True)
class Measurement:
    """Delays from publishing to receiving, and the growth of the instance's memory at most."""

    p50_ms: float
    p99_ms: float
    grown_mib: float


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_client_that_never_reads_costs_little_memory(
    product_amqp_url: str, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with AsyncExitStack() as stack:
        auth = await stack.enter_async_context(permissive_auth())
        environment = {"AMQP_URL": product_amqp_url, "REDIS_URL": redis_url, "AUTH_URLS": auth}
        instance, url = await stack.enter_async_context(realtime(tmp_path, "realtime-1", **environment))
        broker = Broker(product_amqp_url, "test")
        stack.push_async_callback(broker.close)
        channel = ConfirmChannel(await stack.enter_async_context(broker.channel(confirms=True)))
        readers = [Reader() for _ in range(LISTENERS)]
        for reader in readers:
            live = LiveClient(url, str(ANNA.user_id), on_event=reader.receive, on_reload=reader.reload)
            await (await stack.enter_async_context(live)).connected.wait()
        process = psutil.Process(instance.pid)
        await publish_all(channel, readers, process)  # a warm-up, which allocates what is allocated once

        without = await publish_all(channel, readers, process)
        slow = await silent_reader(url, payload=f'{{"token":"{ANNA.user_id}"}}')
        stack.callback(slow.close)
        with_slow = await publish_all(channel, readers, process)

        dropped = await read_metric(url, "realtime_sockets_dropped_total")
        await until(lambda: has_ended(slow))

    with capsys.disabled():
        print(f"\nwithout: {without}\nwith one that never reads: {with_slow}")
    assert dropped == 1
    wanted = sorted([*range(EVENTS)] * 3)  # many are published at once: their order is not the point here
    assert [sorted(reader.seqs) for reader in readers] == [wanted] * LISTENERS
    assert with_slow.grown_mib < without.grown_mib + BACKLOG_MIB + 4


async def publish_all(channel: ConfirmChannel, readers: list[Reader], process: psutil.Process) -> Measurement:
    """Publish events of 1 KB for 20 seconds, and wait until all readers have received them."""
    before = most = process.memory_info().rss
    for reader in readers:
        reader.delays.clear()
    received = len(readers[0].seqs) + EVENTS
    now = asyncio.get_running_loop().time
    began = now()
    async with asyncio.TaskGroup() as publishing:
        for seq in range(EVENTS):
            publishing.create_task(publish(channel, seq))
            most = max(most, process.memory_info().rss) if seq % 50 == 0 else most
            await asyncio.sleep(max(0.0, began + (seq + 1) / PER_SECOND - now()))
    await until(lambda: all(len(reader.seqs) >= received for reader in readers), within=120)
    delays = sorted(delay for reader in readers for delay in reader.delays)
    return Measurement(
        round(delays[len(delays) // 2] * 1000, 1),
        round(delays[int(len(delays) * 0.99)] * 1000, 1),
        round((most - before) / 2**20, 1),
    )


async def publish(channel: ConfirmChannel, seq: int) -> None:
    event = read_by(ANNA, seq).model_copy(update={"contact_phone": f"{time():.6f} {FILLER}"})
    row = row_of(event, source="conversations", tenant_id=AUTH_TENANT)
    await channel.publish(Publication(row.exchange, row.routing_key, row.body, row.type))
