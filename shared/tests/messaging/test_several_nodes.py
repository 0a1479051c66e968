"""A broker URL with several nodes: the connection leads to one that answers."""

from urllib.parse import urlsplit

import pytest

from switchboard.messaging.broker.connection import Broker, BrokerUnavailable
from switchboard.testing import until
from switchboard.testing.network import free_port
from switchboard.testing.tcp_proxy import open_proxy


async def test_a_node_that_does_not_answer_is_left_for_another(amqp_url: str) -> None:
    there = urlsplit(amqp_url).port
    assert there is not None
    for order in (f"127.0.0.1:{free_port()},127.0.0.1:{there}", f"127.0.0.1:{there},127.0.0.1:{free_port()}"):
        broker = Broker(amqp_url.replace(f"127.0.0.1:{there}", order), "test")

        await broker.check()

        await broker.close()


async def test_a_lost_node_is_left_for_another(amqp_url: str) -> None:
    there = urlsplit(amqp_url).port
    assert there is not None
    first, second = free_port(), free_port()
    broker = Broker(amqp_url.replace(f"127.0.0.1:{there}", f"127.0.0.1:{first},127.0.0.1:{second}"), "test")
    try:
        async with open_proxy(first, there) as one:
            await broker.check()
            async with open_proxy(second, there) as two:
                await until(lambda: one.connections)
                one.cut()
                await broker.check()
            assert one.connections + two.connections >= 2
        with pytest.raises(BrokerUnavailable):
            await broker.check()
    finally:
        await broker.close()


async def test_attempts_are_bounded_while_no_node_answers() -> None:
    port = free_port()
    async with open_proxy(port, free_port()) as nobody:  # takes connections, and ends them at once
        broker = Broker(f"amqp://127.0.0.1:{port}/", "test")
        for _ in range(200):
            with pytest.raises(BrokerUnavailable):
                await broker.check()
        await broker.close()

        assert nobody.connections < 20
