"""The AsyncAPI 3.0 document of all events and commands, generated from the contracts."""

from functools import cache
from typing import Any

from switchboard.contracts.consumers import SUBSCRIPTIONS, publisher_of
from switchboard.contracts.envelope import CONTENT_TYPE
from switchboard.contracts.message import Command, Message, registered

Json = dict[str, Any]

EVENTS = "switchboard.events"
COMMANDS = "switchboard.commands"


@cache
def asyncapi_document() -> Json:
    """Events have the routing key `<type>.<tenant_id>.<slot>` on one topic exchange, commands their type on another."""
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    schemas: Json = {}
    for name, cls in sorted(registered().items()):
        key = name.replace(".", "_")
        schemas[key] = _schema(cls)
        messages[key] = _message(name, cls, key)
        channels[key] = _channel(name, cls, key)
        operations[f"publish_{key}"] = _operation("send", key, f"{publisher_of(cls)} publishes it.")
        for consumer in sorted({s.service for s in SUBSCRIPTIONS if cls in s.types}):
            operations[f"{consumer}_consumes_{key}"] = _operation("receive", key, f"{consumer} consumes it.")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Switchboard", "version": "1"},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }


def _channel(name: str, cls: type[Message], key: str) -> Json:
    command = issubclass(cls, Command)
    channel: Json = {
        "address": name if command else f"{name}.{{tenant_id}}.{{slot}}",
        "messages": {key: {"$ref": f"#/components/messages/{key}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": COMMANDS if command else EVENTS, "type": "topic", "durable": True},
            }
        },
    }
    if not command:
        channel["parameters"] = {
            "tenant_id": {"description": "The tenant of the event."},
            "slot": {"description": "Two digits, a hash of the subject: the partition of ordered subscriptions."},
        }
    return channel


def _message(name: str, cls: type[Message], key: str) -> Json:
    return {
        "name": name,
        "summary": (cls.__doc__ or name).strip().splitlines()[0],
        "contentType": CONTENT_TYPE,
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": {"type": "string", "format": "uuid"},
                "source": {"type": "string"},
                "type": {"const": name},
                "subject": {"type": "string"},
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "tenantid": {"type": "string", "format": "uuid"},
                "traceparent": {"type": "string"},
                "data": {"$ref": f"#/components/schemas/{key}"},
            },
        },
    }


def _schema(cls: type[Message]) -> Json:
    key = cls.type.replace(".", "_")
    schema = cls.model_json_schema(ref_template=f"#/components/schemas/{key}/$defs/{{model}}", mode="serialization")
    schema.pop("additionalProperties", None)  # readers ignore unknown fields
    return schema


def _operation(action: str, key: str, summary: str) -> Json:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{key}"},
        "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
    }
