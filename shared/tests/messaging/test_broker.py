"""Connections that end unexpectedly."""

import contextlib
import socket
import threading

import pytest
import uvloop
from yarl import URL

from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.testing.tcp_proxy import open_proxy


def close_every_connection(listening: socket.socket) -> None:
    """Accept connections and close them at once, like a load balancer without a broker."""
    with contextlib.suppress(OSError):  # the test is over
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


async def test_a_channel_that_cannot_be_closed_closes_its_connection(amqp_url: str) -> None:
    """Left open on the broker, its consumer would remain the single active consumer of a queue that stalls."""
    url = URL(amqp_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_proxy(port, url.port or 5672) as proxy:
        broker = Broker(str(url.with_host("127.0.0.1").with_port(port)), "test")

        async with broker.channel(confirms=False):
            proxy.delay = 10
        proxy.delay = 0
        await broker.check()

        assert proxy.connections == 2
        await broker.close()


async def test_an_idle_connection_that_was_lost_is_replaced(amqp_url: str) -> None:
    """After a restart of the broker, say, an instance that had nothing to publish is as healthy as the others."""
    url = URL(amqp_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with open_proxy(port, url.port or 5672) as proxy:
        broker = Broker(str(url.with_host("127.0.0.1").with_port(port)), "test")
        await broker.check()

        proxy.cut()
        await broker.check()

        assert proxy.connections == 2
        await broker.close()
