"""Routing: exchange names, routing keys and slots.

An event's routing key is `<type>.<tenant_id>.<slot>`. The slot, two digits, is a hash of its subject. An ordered
subscription binds each of its partitions to a share of the slots, so that one subject always goes to the same queue.
"""

from uuid import UUID
from zlib import crc32

from switchboard.contracts.message import Command, Message

EVENTS = "switchboard.events"
COMMANDS = "switchboard.commands"
DEAD = "switchboard.dead"
EVENT_ID = "event_id"  # the header with the id of the envelope
BATCHED = "batched"
"""The header of an event whose copies for batched subscriptions travel in batches. Earlier releases don't set it."""
SLOTS = 64
NO_TENANT = "-"


def slot_of(subject: str) -> int:
    """The slot of a subject: 0 to 63, the same in every process and release."""
    return crc32(subject.encode()) % SLOTS


def partition_of(subject: str, partitions: int) -> int:
    """The index of the partition that carries this subject."""
    return slot_of(subject) % partitions


def exchange_of(message: type[Message]) -> str:
    return COMMANDS if issubclass(message, Command) else EVENTS


def routing_key(message: Message, tenant_id: UUID | None) -> str:
    if isinstance(message, Command):
        return message.type
    return routing_key_of(message.type, tenant_id, message.subject)


def routing_key_of(event_type: str, tenant_id: UUID | None, subject: str) -> str:
    """The routing key of an event that is not at hand as an object."""
    return f"{event_type}.{tenant_id or NO_TENANT}.{slot_of(subject):02d}"
