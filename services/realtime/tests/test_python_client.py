"""The reference client, `switchboard.client.LiveClient`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import socketio

from switchboard.client import LiveClient, LiveEvent, SessionRejected, live
from switchboard.testing import becomes, until

from .cluster import Cluster
from .fixtures import ANNA, read_by, revoked
from .test_redis_loss import cluster_with_private_redis, restart


class Screen:
    """The events that a user has seen."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.reloads = 0
        self.readable = asyncio.Event()
        self.readable.set()

    async def receive(self, event: LiveEvent) -> None:
        await self.readable.wait()
        self.seqs.append(event.data["seq"])

    async def reload(self) -> None:
        self.reloads += 1

    def live(self, cluster: Cluster) -> LiveClient:
        return LiveClient(
            [instance.url for instance in cluster.instances], "good", on_event=self.receive, on_reload=self.reload
        )


@pytest.fixture
def screen() -> Screen:
    return Screen()


async def test_it_resumes_on_another_instance_when_its_own_drains(cluster: Cluster, screen: Screen) -> None:
    await cluster.start()
    async with screen.live(cluster) as client:
        await client.connected.wait()
        await cluster.append(*(read_by(ANNA, seq) for seq in range(10)))
        await becomes(lambda: screen.seqs, list(range(10)))

        await cluster.instances[0].end()
        await cluster.append(*(read_by(ANNA, seq) for seq in range(10, 20)))

        await becomes(lambda: screen.seqs, list(range(20)), within=20)
    assert screen.reloads == 1


async def test_it_reconnects_after_a_cut_without_a_gap_or_duplicate(cluster: Cluster, screen: Screen) -> None:
    async with screen.live(cluster) as client:
        await client.connected.wait()
        for start in range(0, 50, 10):
            await cluster.append(*(read_by(ANNA, seq) for seq in range(start, start + 10)))
            await client.disconnect()

        await becomes(lambda: screen.seqs, list(range(50)), within=20)


async def test_it_reloads_when_the_log_was_lost(product_amqp_url: str, tmp_path: Path, screen: Screen) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path) as (cluster, redis), screen.live(cluster):
        await until(lambda: screen.reloads == 1)

        await restart(redis)

        await until(lambda: screen.reloads == 2, within=20)
        await cluster.publish(read_by(ANNA, 1))
        await becomes(lambda: screen.seqs, [1], within=20)


async def test_a_slow_reader_buffers_little_and_misses_nothing(
    cluster: Cluster, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_PENDING", 50)
    async with screen.live(cluster) as client:
        await client.connected.wait()
        screen.readable.clear()
        await cluster.append(*(read_by(ANNA, seq) for seq in range(500)))
        await until(lambda: client._ended.is_set())
        assert client._pending.qsize() <= 51

        screen.readable.set()

        await becomes(lambda: screen.seqs, list(range(500)), within=30)


async def test_the_end_of_the_session_is_raised(cluster: Cluster, screen: Screen) -> None:
    async with screen.live(cluster) as client:
        await client.connected.wait()
        await cluster.append(revoked(ANNA))

        async with asyncio.timeout(20):
            with pytest.raises(SessionRejected):
                await client.closed()


@pytest.mark.parametrize("broken", ["receive", "reload"])
async def test_an_exception_of_the_callers_code_is_raised(cluster: Cluster, screen: Screen, broken: str) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    setattr(screen, broken, awaited(fail))
    async with screen.live(cluster) as client:
        connected = asyncio.create_task(client.connected.wait())
        await asyncio.wait({connected}, timeout=5)
        await cluster.append(read_by(ANNA, 1))

        async with asyncio.timeout(20):
            with pytest.raises(ZeroDivisionError):
                await client.closed()


def awaited(function: Callable[..., None]) -> Callable[..., object]:
    async def call(*arguments: object) -> None:
        function(*arguments)

    return call


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
async def test_python_socketios_client_reconnects_after_a_plain_close(
    product_amqp_url: str, tmp_path: Path, transports: list[str]
) -> None:
    async with cluster_with_private_redis(product_amqp_url, tmp_path, doubt_after="100ms") as (cluster, redis):
        client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.2)
        readies: list[dict[str, object]] = []
        client.on("session.ready", readies.append)
        auth = {"token": "good"}
        await client.connect(cluster.instances[0].url, auth=auth, transports=transports, wait_timeout=30)
        await until(lambda: len(readies) == 1)

        await restart(redis)

        await until(lambda: len(readies) == 3, within=20, description="reloaded, disconnected and reconnected")
        await client.disconnect()
        await client.shutdown()


class LeftEarly(LiveClient):
    """Left `turns` turns of the event loop after its connection was confirmed."""

    def __init__(self, turns: int, url: str, screen: Screen) -> None:
        super().__init__(url, "good", on_event=screen.receive, on_reload=screen.reload)
        self._turns = turns
        self.leaving = asyncio.Event()

    def _new_socket(self, ended: asyncio.Event) -> socketio.AsyncClient:
        socket = super()._new_socket(ended)
        socket.on("connect", lambda: self._leave_after(self._turns))
        return socket

    def _leave_after(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._leave_after, turns - 1)
        else:
            self.leaving.set()


async def test_it_can_be_left_while_it_connects(cluster: Cluster, screen: Screen) -> None:
    async with asyncio.timeout(20):
        for turns in range(12):
            async with LeftEarly(turns, cluster.instances[0].url, screen) as client:
                await client.leaving.wait()


class GivenUp(socketio.AsyncClient):  # type: ignore[misc]
    """Connects but reports a timeout, as when the answer comes just too late; disconnects after its first event."""

    def __init__(self, receive: Callable[..., Awaitable[None]]) -> None:
        super().__init__(reconnection=False, handle_sigint=False)
        self.ready, self.received = asyncio.Event(), asyncio.Event()
        self._receive = receive
        self.on("*", self._note)

    async def _note(self, name: str, payload: object) -> None:
        await self._receive(name, payload)
        (self.ready if name == "session.ready" else self.received).set()

    async def connect(self, *where: object, **how: object) -> None:
        await super().connect(*where, **how)
        raise socketio.exceptions.ConnectionError("too late")

    async def disconnect(self) -> None:
        async with asyncio.timeout(30):
            await self.received.wait()
        await super().disconnect()


class GivenUpLate(GivenUp):
    """Reports the timeout only after its first event."""

    async def connect(self, *where: object, **how: object) -> None:
        try:
            await super().connect(*where, **how)
        finally:
            await self.received.wait()


class GivesUpOnce(LiveClient):
    """Its first connection is given up."""

    first: GivenUp | None = None
    first_socket: type[GivenUp] = GivenUp

    def _new_socket(self, ended: asyncio.Event) -> socketio.AsyncClient:
        socket = super()._new_socket(ended)
        if self.first is not None:
            return socket
        self.first = self.first_socket(socket.handlers["/"]["*"])
        return self.first


async def test_events_of_an_abandoned_connection_arrive_once(cluster: Cluster, screen: Screen) -> None:
    screen.readable.clear()
    async with GivesUpOnce(
        cluster.instances[0].url, "good", on_event=screen.receive, on_reload=screen.reload
    ) as client:
        await until(lambda: client.first is not None and client.first.ready.is_set())
        await cluster.append(*(read_by(ANNA, seq) for seq in (1, 2)))
        await until(lambda: bool(client._socket not in (None, client.first) and client._socket.connected))
        await cluster.append(read_by(ANNA, 3))
        screen.readable.set()

        await until(lambda: 3 in screen.seqs)

    # By the second connection: from its reload on, or from the cursor of the first one.
    assert screen.seqs in ([3], [1, 2, 3])


async def test_events_that_wait_when_a_connection_is_given_up_arrive_once(cluster: Cluster, screen: Screen) -> None:
    async with GivesUpOnce(
        cluster.instances[0].url, "good", on_event=screen.receive, on_reload=screen.reload
    ) as client:
        client.first_socket = GivenUpLate
        await until(lambda: client.first is not None and client.first.ready.is_set())
        screen.readable.clear()
        await cluster.append(read_by(ANNA, 1))
        await until(lambda: client.first is not None and client.first.received.is_set())
        with suppress(AssertionError):  # it should not connect again before its events are handled
            await until(lambda: client._socket is not client.first, within=1)
        screen.readable.set()
        await cluster.append(read_by(ANNA, 2))

        await until(lambda: 2 in screen.seqs)

    assert screen.seqs == [1, 2]
