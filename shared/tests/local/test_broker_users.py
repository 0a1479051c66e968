"""Each service's user may do on the broker what its service does, and no more."""

from __future__ import annotations

from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from switchboard.contracts.consumers import SUBSCRIPTIONS
from switchboard.local.broker_users import definitions
from switchboard.local.services import BROKER_USERS
from switchboard.messaging.routing import COMMANDS, EVENTS
from switchboard.messaging.topology import declare_topology
from switchboard.testing.brokers import VirtualHosts

PASSWORD = "a word for tests"
SLOT = "0192f7a0-0000-7000-8000-0000000000aa.07"


@pytest.fixture
def url_of(virtual_hosts: VirtualHosts, vhost: str, amqp_url: str) -> dict[str, str]:
    """Where each service's user goes."""
    passwords = dict.fromkeys(BROKER_USERS, PASSWORD)
    virtual_hosts.ask("POST", "/definitions", definitions(passwords, vhost, admin="nobody"))
    where = urlsplit(amqp_url)
    host = where.netloc.rpartition("@")[2]
    return {user: where._replace(netloc=f"{user}:{PASSWORD.replace(' ', '%20')}@{host}").geturl() for user in passwords}


async def publish(url: str, exchange: str, routing_key: str) -> None:
    """Raises `ChannelAccessRefused`."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await declare_topology(channel, SUBSCRIPTIONS)
        target = await channel.get_exchange(exchange)
        await target.publish(aio_pika.Message(b"{}"), routing_key, mandatory=False)


@pytest.mark.parametrize(
    ("user", "exchange", "routing_key"),
    [
        ("auth", EVENTS, f"user.created.{SLOT}"),
        ("conversations", EVENTS, f"conversation.message_appended.{SLOT}"),
        ("scheduler", EVENTS, f"reminder.fired.{SLOT}"),
        ("scheduler", COMMANDS, "reminder.fire"),
    ],
)
async def test_a_service_publishes_what_is_its_own(
    url_of: dict[str, str], user: str, exchange: str, routing_key: str
) -> None:
    await publish(url_of[user], exchange, routing_key)


@pytest.mark.parametrize(
    ("user", "exchange", "routing_key"),
    [
        ("conversations", EVENTS, f"user.created.{SLOT}"),
        ("realtime", EVENTS, f"conversation.message_appended.{SLOT}"),
        ("auth", EVENTS, f"user_created.{SLOT}"),
        ("auth", COMMANDS, "reminder.fire"),
        ("conversations", COMMANDS, "campaign.run"),
    ],
)
async def test_a_service_can_not_speak_for_another(
    url_of: dict[str, str], user: str, exchange: str, routing_key: str
) -> None:
    with pytest.raises(ChannelAccessRefused):
        await publish(url_of[user], exchange, routing_key)


async def test_a_service_can_not_touch_queues_that_are_no_part_of_the_product(
    url_of: dict[str, str], amqp_url: str
) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue("ext.billing.events", durable=True)

    connection = await aio_pika.connect(url_of["auth"])
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("ext.billing.events", ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await queue.get(timeout=5)
