"""Sessions end while sockets are open."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from time import time
from uuid import UUID

import pytest
import socketio

from switchboard.testing import becomes, until

from .world import ANNA, BEN, World, headers_of, read_by, revoked


async def test_a_revoked_sessions_sockets_are_closed_on_every_instance_and_others_stay(world: World) -> None:
    await world.start()
    anna = [await world.connect(ANNA, to=n) for n in (0, 1)]
    polling = await world.connect(ANNA, transports=["polling"])
    ben = await world.connect(BEN)

    await world.append(revoked(ANNA))

    for client in (*anna, polling):
        await until(lambda client=client: not client.socket.connected)
    await world.append(read_by(BEN, 1))
    await becomes(lambda: ben.seqs, [1])


async def test_a_session_revoked_before_its_socket_came_is_refused(world: World) -> None:
    await world.append(revoked(ANNA))

    client = socketio.AsyncClient(reconnection=False)
    errors: list[object] = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            world.instances[0].url, headers=headers_of(ANNA), transports=["websocket"], wait_timeout=30
        )

    assert errors == [{"message": "unauthenticated"}]


async def test_a_socket_is_closed_when_its_session_runs_out(world: World) -> None:
    soon = time() + 8  # in which both connect, on a slow machine too
    by_gateway = await world.connect(replace(ANNA, session_id=UUID(int=113), session_ends=soon))
    world.session_ends = datetime.fromtimestamp(soon, UTC)
    by_token = await world.connect(None, auth={"token": "good"})
    others = await world.connect(BEN)

    for client in (by_gateway, by_token):
        await becomes(lambda client=client: client.ended, "server disconnect")
    assert time() > soon
    assert others.socket.connected


async def test_sockets_are_closed_when_an_instance_ends(world: World) -> None:
    clients = [await world.connect(ANNA, transports=t) for t in (["websocket"], ["polling"])]

    async with asyncio.timeout(30):
        await world.instances[0].end()

    for client in clients:
        await until(lambda client=client: not client.socket.connected)
