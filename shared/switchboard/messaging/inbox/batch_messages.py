"""Messages that carry a batch of events, taken apart: a poisoned event is retried and dead-lettered alone."""

from dataclasses import replace

from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from switchboard.contracts.envelope import CONTENT_TYPE, Envelope, Unreadable, split_batch
from switchboard.messaging.broker.routing import EVENT_ID


def singles_of(message: DeliveredMessage) -> list[DeliveredMessage]:
    """The events of a batch, as if each had come alone. Any other message, and one that can't be read, as it is."""
    try:
        bodies = split_batch(message.body)
    except Unreadable:
        return [message]
    if len(bodies) == 1 and bodies[0] is message.body:
        return [message]
    return [_single_of(message, body) for body in bodies]


def _single_of(batch: DeliveredMessage, body: bytes) -> DeliveredMessage:
    try:
        envelope = Envelope.decode(body)
    except Unreadable:
        return replace(batch, body=body)
    headers = {**(batch.header.properties.headers or {}), EVENT_ID: str(envelope.id)}
    properties = spec.Basic.Properties(
        content_type=CONTENT_TYPE,
        message_type=envelope.type,
        message_id=batch.header.properties.message_id,
        headers=headers,
    )
    return replace(batch, body=body, header=ContentHeader(body_size=len(body), properties=properties))
