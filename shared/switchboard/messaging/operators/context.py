"""The broker, as operators' commands reach it."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

from switchboard.messaging.broker.connection import Broker
from switchboard.runtime.settings import AmqpUrl, load


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, hide_input_in_errors=True)

    amqp_url: AmqpUrl


def operators_broker() -> Broker:
    """That of `AMQP_URL`. A missing or malformed one ends the command with a line that names it."""
    return Broker(load(_Settings).amqp_url, "operator")
