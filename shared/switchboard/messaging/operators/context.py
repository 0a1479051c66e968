"""The broker connection of operator commands."""

from switchboard.messaging.broker.connection import Broker
from switchboard.runtime.settings import AmqpUrl, CommandSettings, load


class _BrokerUrl(CommandSettings):
    amqp_url: AmqpUrl


def operator_broker() -> Broker:
    """The broker of `AMQP_URL`. If that is missing or malformed, the command ends with a line that names it."""
    return Broker(load(_BrokerUrl).amqp_url, "operator")
