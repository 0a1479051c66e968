"""Events and commands: one frozen class each, owned by the service that publishes (events) or obeys (commands)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

Audience = Literal["user", "tenant", "nobody"]

Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str, when_used="json"),
]
"""An instant, RFC 3339 in UTC with a `Z` on the wire."""

_REGISTERED: dict[str, type[Message]] = {}


class Data(BaseModel):
    """A part of a message's data. Strict to build, lenient to read: a newer field never poisons an older reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Data):
    """What travels on the bus. `type` is its wire name, written out by each class."""

    type: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.__dict__.get("type")
        if name is None:
            return
        if name in _REGISTERED and _REGISTERED[name].__qualname__ != cls.__qualname__:
            raise TypeError(f"two classes claim the message type {name!r}")
        _REGISTERED[name] = cls

    @property
    def subject(self) -> str:
        """The aggregate that this is about: messages of one subject and one source keep their order."""
        raise NotImplementedError(f"{type(self).__name__} names no subject")

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        """Read `data` as it came from the wire; unknown fields are passed over. Raises `pydantic.ValidationError`."""
        return cls.model_validate(data, extra="ignore")


class Event(Message):
    """A fact, in the past tense. `visible_to` says which clients may see it."""

    visible_to: ClassVar[Audience]


class Command(Message):
    """Something to be done by the one service that owns it."""


def conversation_subject(user_id: UUID, contact_phone: str) -> str:
    """All that happens in one conversation shares this subject, so that it is seen in order."""
    return f"conversation/{user_id}/{contact_phone}"


def registered() -> dict[str, type[Message]]:
    """Every message class by its wire name."""
    return dict(_REGISTERED)
