"""The envelope of every message: a CloudEvents 1.0 JSON object (cloudevents.io, spec v1.0.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json, to_json

CONTENT_TYPE = "application/cloudevents+json"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
SEQUENCE_DIGITS = 12
"""With leading zeros, so that a sequence also orders as text, as CloudEvents asks for."""


class Unreadable(Exception):
    """The bytes are not a valid envelope. The text says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message. `data` is JSON-ready, `time` in UTC; `tenant_id` is None for messages of the system itself.

    `sequence`: its number among the events of its subject, without gaps from 1 on (CloudEvents' extension "Sequence").
    None where the publisher doesn't number a subject's events.
    """

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]
    tenant_id: UUID | None = None
    traceparent: str | None = None
    sequence: int | None = None

    def encode(self) -> bytes:
        """The envelope as CloudEvents JSON, in UTF-8."""
        body: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),  # asyncpg has its own UUID class, which pydantic does not know
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
        }
        if self.sequence is not None:
            body["sequence"] = f"{self.sequence:0{SEQUENCE_DIGITS}d}"
        body["data"] = self.data
        if self.tenant_id is not None:
            body["tenantid"] = str(self.tenant_id)
        if self.traceparent is not None:
            body["traceparent"] = self.traceparent
        return to_json(body, inf_nan_mode="null")

    @classmethod
    def decode(cls, body: bytes) -> "Envelope":
        """Parse an envelope. Raises `Unreadable`."""
        try:
            fields = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
        return cls._read(fields)

    @classmethod
    def decode_all(cls, body: bytes) -> "list[Envelope]":
        """Parse the envelopes of a batch, or of a single message. Raises `Unreadable`."""
        if not body.startswith(b"["):
            return [cls.decode(body)]
        try:
            items = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise Unreadable(f"not JSON: {error}") from error
        return [cls._read(item) for item in items]

    @classmethod
    def _read(cls, fields: object) -> "Envelope":
        if not isinstance(fields, dict):
            raise Unreadable("not a JSON object")
        try:
            tenant = fields.get("tenantid")
            return cls(
                id=UUID(fields["id"]),
                source=_text(fields, "source"),
                type=_text(fields, "type"),
                subject=_text(fields, "subject"),
                time=datetime.fromisoformat(_text(fields, "time")),
                data=_object(fields, "data"),
                tenant_id=None if tenant is None else UUID(tenant),
                traceparent=None if fields.get("traceparent") is None else _text(fields, "traceparent"),
                sequence=None if fields.get("sequence") is None else int(_text(fields, "sequence")),
            )
        except KeyError as error:
            raise Unreadable(f"no field {error}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise Unreadable(f"not a CloudEvents envelope: {error}") from error


def join_batch(bodies: Sequence[bytes]) -> bytes:
    """Encoded envelopes as one CloudEvents JSON batch: an array (CloudEvents, JSON event format 1.0.2, section 4)."""
    return b"[" + b",".join(bodies) + b"]"


def split_batch(body: bytes) -> list[bytes]:
    """The encoded envelopes of a batch, or of a single message. Raises `Unreadable` for what is neither."""
    if not body.startswith(b"["):
        return [body]
    try:
        return [to_json(item) for item in from_json(body, allow_inf_nan=False)]
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from error


def _text(fields: dict[str, Any], name: str) -> str:
    if not isinstance(fields[name], str):
        raise Unreadable(f"{name} is not a string")
    return str(fields[name])


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(fields[name], dict):
        raise Unreadable(f"{name} is not an object")
    return dict(fields[name])
