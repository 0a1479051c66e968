"""The legacy message format: parse a legacy message, and write one of ours in that format."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from switchboard.contracts.conversations import ConversationMessage

INBOUND = frozenset({"in", "inbound", "incoming", "received", "contact", "customer", "client", "lead", "user", "human"})
OUTBOUND = frozenset({"out", "outbound", "outgoing", "sent", "agent", "assistant", "system", "bot", "ai", "me", "crm"})
DIRECTION_FIELDS = ("direction", "role")
TEXT_FIELDS = ("content", "body", "text")
TIME_FIELDS = ("timestamp", "createdAt", "created_at")
STATUSES = {"queued", "sent", "delivered", "read", "failed"}
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class NotAMessage(ValueError):
    """The object is not a message. The text gives the reason."""


@dataclass(frozen=True)
class ParsedMessage:
    """A parsed message. `extra`: all other fields. `at`: None if the message has no time."""

    direction: str
    body: str
    at: datetime | None
    status: str
    channel: str
    extra: dict[str, Any]


def parse_message(value: Any) -> ParsedMessage:
    """Parse a message. Without a text (a picture, a call) its body is empty. Raises `NotAMessage`.

    A text in parts (`[{"type": "text", "text": …}]`) is joined; parts without a text stay among the other fields.
    """
    if not isinstance(value, dict):
        raise NotAMessage("not an object")
    direction_field, direction = _direction(value)
    text_field, body = _text(value)
    time_field, at = _time(value)
    status = "received" if direction == "in" else _sent_status(value)
    channel = value.get("channel")
    known = {direction_field, text_field, time_field}
    return ParsedMessage(
        direction=direction,
        body=storable(body),
        at=at,
        status=status,
        channel=channel if isinstance(channel, str) and channel.isidentifier() else "sms",
        extra=storable({name: kept for name, kept in value.items() if name not in known}),
    )


def _direction(value: dict[str, Any]) -> tuple[str, str]:
    for name in DIRECTION_FIELDS:
        word = value.get(name)
        if isinstance(word, str) and word.lower() in INBOUND:
            return name, "in"
        if isinstance(word, str) and word.lower() in OUTBOUND:
            return name, "out"
    given = [f"{name} {value[name]!r}" for name in DIRECTION_FIELDS if name in value]
    raise NotAMessage(f"unknown {' and '.join(given)}" if given else "neither role nor direction")


def _text(value: dict[str, Any]) -> tuple[str | None, str]:
    for name in TEXT_FIELDS:
        match value.get(name):
            case str(text):
                return name, text
            case list(parts) if parts:
                texts = [found for part in parts if (found := _part_text(part)) is not None]
                return (name if len(texts) == len(parts) else None), "\n".join(texts)
            case dict(part) if (alone := _part_text(part)) is not None:
                return None, alone
    return None, ""


def _part_text(part: object) -> str | None:
    match part:
        case str(text) | {"text": str(text)}:
            return text
        case {"text": {"value": str(text)}}:
            return text
    return None


def texts_in(value: Any) -> list[str]:
    """Every text in the text fields of a legacy message, however deep: what an import must have kept."""
    match value:
        case str(text):
            return [text]
        case list(parts):
            return [text for part in parts for text in texts_in(part)]
        case dict(fields):
            return [text for name in (*TEXT_FIELDS, "value") for text in texts_in(fields.get(name))]
    return []


def _time(value: dict[str, Any]) -> tuple[str | None, datetime | None]:
    for name in TIME_FIELDS:
        if value.get(name) is not None:
            return name, parse_time(value[name])
    return None, None


def _sent_status(value: dict[str, Any]) -> str:
    status = value.get("status")
    return status if isinstance(status, str) and status in STATUSES - {"queued"} else "sent"


def parse_time(written: object) -> datetime:
    """Parse milliseconds or seconds since 1970, or ISO 8601, in UTC unless it has an offset. Raises `NotAMessage`."""
    try:
        if isinstance(written, bool):
            raise ValueError
        if isinstance(written, int | float):
            return datetime.fromtimestamp(written / 1000 if abs(written) > 1e11 else written, UTC)
        if isinstance(written, str) and written.strip().isdigit():
            return parse_time(int(written))
        at = datetime.fromisoformat(str(written).strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise NotAMessage(f"timestamp {written!r} is not a time") from None


def storable(value: Any) -> Any:
    """Make a value storable in Postgres: replace NUL and lone surrogates. The `original` column keeps them."""
    match value:
        case str():
            return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
        case dict():
            return {storable(name): storable(kept) for name, kept in value.items()}
        case list():
            return [storable(kept) for kept in value]
        case int() if not -(2**63) <= value < 2**63:
            return str(value)
        case float() if value != value or value in (float("inf"), float("-inf")):
            return str(value)
    return value


def times_of(messages: list[ParsedMessage]) -> list[datetime]:
    """A time for each message of one file: its own, or that of the message before it."""
    times: list[datetime] = []
    last = next((m.at for m in messages if m.at is not None), NO_TIME)
    for message in messages:
        last = message.at or last
        times.append(last)
    return times


def written_as_legacy(message: ConversationMessage, neighbour: str | None, *, indent: str | None) -> str:
    """Write one of our messages in the legacy format, in the style of `neighbour`, a message of the same file."""
    like: dict[str, Any] = json.loads(neighbour) if neighbour else {"role": "user", "content": "", "timestamp": ""}
    written: dict[str, Any] = {
        next((n for n in DIRECTION_FIELDS if n in like), "role"): _direction_word(message.direction, like),
        next((n for n in TEXT_FIELDS if n in like), "content"): message.body,
        next((n for n in TIME_FIELDS if n in like), "timestamp"): _time_word(message.created_at, like),
    }
    if message.direction == "out":
        written["status"] = message.status
    written["id"] = str(message.id)
    if indent is None:
        return json.dumps(written, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(written, ensure_ascii=False, indent=len(indent) or None).replace("\n", "\n" + indent)


def _direction_word(direction: str, like: dict[str, Any]) -> str:
    inbound = direction == "in"
    if "direction" in like:
        short = like["direction"] in ("in", "out")
        return ("in" if inbound else "out") if short else ("inbound" if inbound else "outbound")
    return "user" if inbound else "assistant"


def _time_word(at: datetime, like: dict[str, Any]) -> str | int:
    sample = next((like[n] for n in TIME_FIELDS if n in like), None)
    if isinstance(sample, int | float):
        millis = int(at.timestamp() * 1000)
        return millis if sample > 1e11 else millis // 1000
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
