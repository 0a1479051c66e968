"""What becomes of a connection that ends where nobody expects it."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
import uvloop
from yarl import URL

from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.testing.tcp_proxy import open_proxy


def hang_up_on_everybody(listening: socket.socket) -> None:
    """As a balancer does whose broker is down: it takes a connection, and drops it at once."""
    with contextlib.suppress(OSError):  # the test is over
        while True:
            listening.accept()[0].close()


async def ask_again_and_again(port: int) -> None:
    broker = Broker(f"amqp://guest:guest@127.0.0.1:{port}/", "test")
    for _ in range(50):  # it is noticed at one place or another
        with pytest.raises(BrokerUnavailable):
            await broker.check()


def test_whoever_hangs_up_before_the_greeting_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=hang_up_on_everybody, args=(listening,), daemon=True).start()

        uvloop.run(ask_again_and_again(listening.getsockname()[1]))  # as a service does

        listening.shutdown(socket.SHUT_RDWR)


async def test_a_channel_that_can_not_be_closed_takes_its_connection_with_it(amqp_url: str) -> None:
    """Left open there, its consumer would keep the single active place of its queue, and nobody take from it."""
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


async def test_a_connection_that_was_lost_while_nobody_used_it_is_no_outage(amqp_url: str) -> None:
    """The broker was started anew, say: an instance that had nothing to publish meanwhile is as well as the others."""
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
