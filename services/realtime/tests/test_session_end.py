"""Sessions that end while sockets are open."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from time import time
from uuid import UUID

import aiohttp
import pytest
import socketio

from switchboard.contracts.auth import TenantUpdated
from switchboard.testing import becomes, until

from .client import Client
from .cluster import Cluster
from .fixtures import ANNA, BEN, headers_of, read_by, revoked

POLLING = "/socket.io/?EIO=4&transport=polling"


async def test_a_revocation_disconnects_its_session_on_every_instance(cluster: Cluster) -> None:
    await cluster.start()
    anna = [await cluster.connect(ANNA, to=n) for n in (0, 1)]
    polling = await cluster.connect(ANNA, transports=["polling"])
    ben = await cluster.connect(BEN)

    await cluster.append(revoked(ANNA))

    for client in (*anna, polling):
        await until(lambda client=client: not client.socket.connected)
    await cluster.append(read_by(BEN, 1))
    await becomes(lambda: ben.seqs, [1])


async def test_a_session_revoked_before_the_connect_is_refused(cluster: Cluster) -> None:
    await cluster.append(revoked(ANNA))

    client = socketio.AsyncClient(reconnection=False)
    errors: list[object] = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(
            cluster.instances[0].url, headers=headers_of(ANNA), transports=["websocket"], wait_timeout=30
        )

    assert errors == [{"message": "unauthenticated"}]


async def test_a_socket_is_disconnected_when_its_session_expires(cluster: Cluster) -> None:
    by_gateway, by_token, expires_at = await connect_with_a_short_session(cluster)
    other = await cluster.connect(BEN)

    for client in (by_gateway, by_token):
        await becomes(lambda client=client: client.ended, "server disconnect")
    assert time() > expires_at
    assert other.socket.connected


async def connect_with_a_short_session(cluster: Cluster) -> tuple[Client, Client, float]:
    """Two clients of a session that expires soon: in 1.5 seconds, or as much later as a slow machine needs."""
    for seconds in (1.5, 4.0, 16.0):
        expires_at = time() + seconds
        cluster.session_ends = datetime.fromtimestamp(expires_at, UTC)
        with suppress(socketio.exceptions.ConnectionError):
            return (
                await cluster.connect(replace(ANNA, session_id=UUID(int=113), session_ends=expires_at)),
                await cluster.connect(None, auth={"token": "good"}),
                expires_at,
            )
    raise AssertionError("the session expired before both clients were connected")


async def test_sockets_are_closed_when_an_instance_drains(cluster: Cluster) -> None:
    clients = [await cluster.connect(ANNA, transports=t) for t in (["websocket"], ["polling"])]

    async with asyncio.timeout(30):
        await cluster.instances[0].end()

    for client in clients:
        await until(lambda client=client: not client.socket.connected)


async def test_a_packet_upgrade_ends_a_held_poll_and_nothing_else(cluster: Cluster) -> None:
    """So a gateway that stops ends the polls of its clients."""
    async with aiohttp.ClientSession(cluster.instances[0].url, headers=headers_of(ANNA)) as http:

        async def ask(method: str, sid: str, body: str | None = None) -> str:
            async with http.request(method, f"{POLLING}{sid}", data=body) as answer:
                assert answer.status == 200
                return await answer.text()

        sid = "&sid=" + json.loads((await ask("GET", ""))[1:])["sid"]
        held = asyncio.create_task(ask("GET", sid))
        await ask("POST", sid, "5")
        ended = await held
        await ask("POST", sid, "40")

        assert ended == "6"
        assert (await ask("GET", sid)).startswith("40{")


async def test_a_draining_instance_refuses_new_connections(cluster: Cluster) -> None:
    draining = await cluster.start(drain_spread="500ms")
    clients = [await cluster.connect(ANNA, to=1) for _ in range(2)]
    draining.stop.set()
    await until(lambda: not all(client.socket.connected for client in clients))

    handshake = f"{draining.url}{POLLING}"
    async with aiohttp.ClientSession() as http, http.get(handshake) as response:
        assert response.status == 503

    await draining.end()


async def test_sockets_of_a_suspended_tenant_hear_of_it_and_are_closed(cluster: Cluster) -> None:
    await cluster.start()
    anna = [await cluster.connect(ANNA, to=n) for n in (0, 1)]
    suspended = TenantUpdated(tenant_id=ANNA.tenant_id, name="Acme", status="trial", trial_ends_at=None, suspended=True)

    await cluster.append(suspended)

    for client in anna:
        await until(lambda client=client: not client.socket.connected)
        assert "tenant.updated" in [name for name, _ in client.received]
