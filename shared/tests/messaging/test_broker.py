"""Connections that end unexpectedly."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from yarl import URL

from switchboard.messaging.broker import connection
from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.testing.tcp_proxy import TcpProxy, open_proxy


def close_every_connection(listening: socket.socket) -> None:
    """Accept connections and close them at once, like a load balancer without a broker."""
    with suppress(OSError):  # the test is over
        while True:
            listening.accept()[0].close()


async def check_repeatedly(port: int) -> None:
    broker = Broker(f"amqp://guest:guest@127.0.0.1:{port}/", "test")
    for _ in range(50):  # the loss shows in different places
        with pytest.raises(BrokerUnavailable):
            await broker.check()


def test_a_broker_that_closes_in_the_handshake_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=close_every_connection, args=(listening,), daemon=True).start()

        uvloop.run(check_repeatedly(listening.getsockname()[1]))  # as a service does

        listening.shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def through_proxy(amqp_url: str) -> AsyncIterator[tuple[Broker, TcpProxy]]:
    url = URL(amqp_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_proxy(port, url.port or 5672) as proxy:
        broker = Broker(str(url.with_host("127.0.0.1").with_port(port)), "test")
        yield broker, proxy
        proxy.delay = 0
        await broker.close()


async def test_a_channel_that_cannot_be_closed_closes_its_connection(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left open on the broker, its consumer would remain the single active consumer of a queue that stalls."""
    monkeypatch.setattr(connection, "MOST_CLOSE_SECONDS", 0.2)
    async with through_proxy(amqp_url) as (broker, proxy):
        async with broker.channel(confirms=False):
            proxy.delay = 10
        proxy.delay = 0
        await broker.check()

        assert proxy.connections == 2


async def test_a_channel_that_closes_slowly_disturbs_no_other(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    async with through_proxy(amqp_url) as (broker, proxy), broker.channel(confirms=False) as other:
        async with broker.channel(confirms=False):
            proxy.delay = 0.5
        proxy.delay = 0

        await other.declare_queue(exclusive=True)

        assert proxy.connections == 1


async def test_patience_grows_until_a_slow_broker_is_reached(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)
    async with through_proxy(amqp_url) as (broker, proxy):
        proxy.delay = 0.15  # several round trips are needed
        failures = 0
        while failures < 10:
            try:
                await broker.check()
                break
            except BrokerUnavailable:
                failures += 1
                await asyncio.sleep(0.5)  # right after a failure nothing is tried

        assert 0 < failures < 10


async def test_a_caller_that_gives_up_leaves_the_connecting_to_others(amqp_url: str) -> None:
    async with through_proxy(amqp_url) as (broker, proxy):
        proxy.delay = 0.1
        impatient = asyncio.create_task(broker.check())
        patient = asyncio.create_task(broker.check())
        await asyncio.sleep(0.1)

        impatient.cancel()
        await patient

        assert proxy.connections == 1


async def test_an_idle_connection_that_was_lost_is_replaced(amqp_url: str) -> None:
    """After a restart of the broker, say, an instance that had nothing to publish is as healthy as the others."""
    async with through_proxy(amqp_url) as (broker, proxy):
        await broker.check()

        proxy.cut()
        await broker.check()

        assert proxy.connections == 2
