"""The reference client, `switchboard.client.LiveClient`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import socketio

from switchboard.client import LiveClient, LiveEvent, SessionRejected, live
from switchboard.testing import becomes, until

from .test_losses import restart, world_with_own_redis
from .world import ANNA, World, read_by, revoked


class Screen:
    """What a user would see. A reload begins a new list."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.reloads = 0
        self.readable = asyncio.Event()
        self.readable.set()

    async def hear(self, event: LiveEvent) -> None:
        await self.readable.wait()
        self.seqs.append(event.data["seq"])

    async def reload(self) -> None:
        self.reloads += 1

    def live(self, world: World) -> LiveClient:
        return LiveClient(
            [instance.url for instance in world.instances], "good", on_event=self.hear, on_reload=self.reload
        )


@pytest.fixture
def screen() -> Screen:
    return Screen()


async def test_it_goes_on_elsewhere_where_it_was_when_an_instance_ends(world: World, screen: Screen) -> None:
    await world.start()
    async with screen.live(world) as client:
        await client.connected.wait()
        await world.append(*(read_by(ANNA, seq) for seq in range(10)))
        await becomes(lambda: screen.seqs, list(range(10)))

        await world.instances[0].end()
        await world.append(*(read_by(ANNA, seq) for seq in range(10, 20)))

        await becomes(lambda: screen.seqs, list(range(20)), within=20)
    assert screen.reloads == 1


async def test_a_cut_brings_it_back_without_a_gap_or_a_double(world: World, screen: Screen) -> None:
    async with screen.live(world) as client:
        await client.connected.wait()
        for start in range(0, 50, 10):
            await world.append(*(read_by(ANNA, seq) for seq in range(start, start + 10)))
            await client.disconnect()

        await becomes(lambda: screen.seqs, list(range(50)), within=20)


async def test_it_reloads_when_the_log_was_lost(amqp_url: str, tmp_path: Path, screen: Screen) -> None:
    async with world_with_own_redis(amqp_url, tmp_path) as (world, redis), screen.live(world):
        await until(lambda: screen.reloads == 1)

        await restart(redis)

        await until(lambda: screen.reloads == 2, within=20)
        await world.publish(read_by(ANNA, 1))
        await becomes(lambda: screen.seqs, [1], within=20)


async def test_a_slow_reader_holds_little_and_misses_nothing(
    world: World, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_PENDING", 50)
    async with screen.live(world) as client:
        await client.connected.wait()
        screen.readable.clear()
        await world.append(*(read_by(ANNA, seq) for seq in range(500)))
        await until(lambda: client._ended.is_set())
        assert client._pending.qsize() <= 51

        screen.readable.set()

        await becomes(lambda: screen.seqs, list(range(500)), within=30)


async def test_the_end_of_the_session_is_told(world: World, screen: Screen) -> None:
    async with screen.live(world) as client:
        await client.connected.wait()
        await world.append(revoked(ANNA))

        async with asyncio.timeout(20):
            with pytest.raises(SessionRejected):
                await client.closed()


@pytest.mark.parametrize("broken", ["hear", "reload"])
async def test_what_the_callers_code_raises_comes_out(world: World, screen: Screen, broken: str) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    setattr(screen, broken, awaited(fail))
    async with screen.live(world) as client:
        connected = asyncio.create_task(client.connected.wait())
        await asyncio.wait({connected}, timeout=5)
        await world.append(read_by(ANNA, 1))

        async with asyncio.timeout(20):
            with pytest.raises(ZeroDivisionError):
                await client.closed()


def awaited(function: Callable[..., None]) -> Callable[..., object]:
    async def call(*arguments: object) -> None:
        function(*arguments)

    return call


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
async def test_python_socketios_own_client_comes_back_when_it_is_only_let_go(
    amqp_url: str, tmp_path: Path, transports: list[str]
) -> None:
    async with world_with_own_redis(amqp_url, tmp_path, doubt_after="100ms") as (world, redis):
        client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.2)
        readies: list[dict[str, object]] = []
        client.on("session.ready", readies.append)
        auth = {"token": "good"}
        await client.connect(world.instances[0].url, auth=auth, transports=transports, wait_timeout=30)
        await until(lambda: len(readies) == 1)

        await restart(redis)

        await until(lambda: len(readies) == 3, within=20, what="told to reload, let go, and back")
        await client.disconnect()
        await client.shutdown()


class LeftEarly(LiveClient):
    """Left so many turns of the loop after its connection was confirmed."""

    def __init__(self, turns: int, url: str, screen: Screen) -> None:
        super().__init__(url, "good", on_event=screen.hear, on_reload=screen.reload)
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


async def test_it_can_be_left_in_the_moment_in_which_it_connects(world: World, screen: Screen) -> None:
    async with asyncio.timeout(20):
        for turns in range(12):
            async with LeftEarly(turns, world.instances[0].url, screen) as client:
                await client.leaving.wait()


class GivenUp(socketio.AsyncClient):  # type: ignore[misc]
    """Connects, and takes it for a failure, as when the answer comes just too late; goes once it has heard an event."""

    def __init__(self, hear: Callable[..., Awaitable[None]]) -> None:
        super().__init__(reconnection=False, handle_sigint=False)
        self.ready, self.heard = asyncio.Event(), asyncio.Event()
        self._hear = hear
        self.on("*", self._note)

    async def _note(self, name: str, payload: object) -> None:
        await self._hear(name, payload)
        (self.ready if name == "session.ready" else self.heard).set()

    async def connect(self, *where: object, **how: object) -> None:
        await super().connect(*where, **how)
        raise socketio.exceptions.ConnectionError("too late")

    async def disconnect(self) -> None:
        async with asyncio.timeout(30):
            await self.heard.wait()
        await super().disconnect()


class GivesUpOnce(LiveClient):
    """Its first connection is a `GivenUp`."""

    first: GivenUp | None = None

    def _new_socket(self, ended: asyncio.Event) -> socketio.AsyncClient:
        socket = super()._new_socket(ended)
        if self.first is not None:
            return socket
        self.first = GivenUp(socket.handlers["/"]["*"])
        return self.first


async def test_what_a_connection_brings_that_was_given_up_is_not_heard_twice(world: World, screen: Screen) -> None:
    screen.readable.clear()
    async with GivesUpOnce(world.instances[0].url, "good", on_event=screen.hear, on_reload=screen.reload) as client:
        await until(lambda: client.first is not None and client.first.ready.is_set())
        await world.append(*(read_by(ANNA, seq) for seq in (1, 2)))
        await until(lambda: bool(client._socket not in (None, client.first) and client._socket.connected))
        await world.append(read_by(ANNA, 3))
        screen.readable.set()

        await until(lambda: 3 in screen.seqs)

    assert screen.seqs in (
        [3],
        [1, 2, 3],
    )  # by the second connection: from its reload on, or from the first one's place
