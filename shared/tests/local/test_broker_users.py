"""Each service's broker user has the permissions of its service, and no more."""

from urllib.parse import urlsplit

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused

from switchboard.contracts.consumers import SUBSCRIPTIONS
from switchboard.local.broker_users import definitions
from switchboard.local.services import BROKER_USERS, InvalidTeamName, users_of_teams
from switchboard.messaging.broker.routing import COMMANDS, EVENTS
from switchboard.messaging.broker.topology import declare_topology
from switchboard.testing.brokers import VirtualHosts

PASSWORD = "a password for tests"
SLOT = "0192f7a0-0000-7000-8000-0000000000aa.07"


@pytest.fixture
def url_of(virtual_hosts: VirtualHosts, vhost: str, amqp_url: str) -> dict[str, str]:
    """The AMQP URL of each broker user."""
    passwords = dict.fromkeys((*BROKER_USERS, *users_of_teams("billing, search")), PASSWORD)
    virtual_hosts.ask("POST", "/definitions", definitions(passwords, vhost, admin=""))
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
async def test_a_service_publishes_its_own_types(
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
async def test_a_service_cannot_publish_types_of_another(
    url_of: dict[str, str], user: str, exchange: str, routing_key: str
) -> None:
    with pytest.raises(ChannelAccessRefused):
        await publish(url_of[user], exchange, routing_key)


async def test_a_service_cannot_read_queues_outside_the_product(url_of: dict[str, str], amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue("ext.billing.events", durable=True)

    connection = await aio_pika.connect(url_of["auth"])
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("ext.billing.events", ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await queue.get(timeout=5)


async def test_another_team_gets_events_in_bounded_queues_that_drop_oldest(
    url_of: dict[str, str], virtual_hosts: VirtualHosts, vhost: str
) -> None:
    await publish(url_of["auth"], EVENTS, f"user.created.{SLOT}")  # declares the exchanges
    connection = await aio_pika.connect(url_of["ext-billing"])
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue("ext.billing.users", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(EVENTS, "user.created.#")

        await publish(url_of["auth"], EVENTS, f"user.created.{SLOT}")

        message = await queue.get(timeout=10)
        assert message is not None
        assert message.routing_key == f"user.created.{SLOT}"
    policies = virtual_hosts.ask("GET", f"/policies/{vhost}")
    assert [(policy["pattern"], policy["definition"]["overflow"]) for policy in policies] == [(r"^ext\.", "drop-head")]


@pytest.mark.parametrize(
    ("exchange", "routing_key"),
    [
        (EVENTS, f"user.created.{SLOT}"),
        (COMMANDS, "reminder.fire"),
        ("", "auth.commands"),
        ("", "ext.billing.users"),
    ],
)
async def test_another_team_publishes_nothing(url_of: dict[str, str], exchange: str, routing_key: str) -> None:
    await publish(url_of["auth"], EVENTS, f"user.created.{SLOT}")  # declares the exchanges
    connection = await aio_pika.connect(url_of["ext-billing"])
    async with connection, connection.channel() as channel:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        with pytest.raises(ChannelAccessRefused):
            await target.publish(aio_pika.Message(b"{}"), routing_key, mandatory=False)


@pytest.mark.parametrize("name", ["ext.search.users", "auth.commands"])
async def test_another_team_cannot_declare_queues_of_others(url_of: dict[str, str], name: str) -> None:
    connection = await aio_pika.connect(url_of["ext-billing"])
    async with connection, connection.channel() as channel:
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue(name, durable=True)


def test_an_invalid_team_name_is_refused() -> None:
    with pytest.raises(InvalidTeamName, match=r"BROKER_TEAMS: 'a\.b' is no name of a team"):
        users_of_teams("billing,a.b")
