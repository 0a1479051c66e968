"""Base classes of events and commands. An event belongs to its publisher, a command to the service that executes it."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

Audience = Literal["user", "tenant", "internal"]

Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str, when_used="json"),
]
"""An instant, RFC 3339 in UTC with a `Z` on the wire."""

_REGISTERED: "dict[str, type[Message]]" = {}


class Data(BaseModel):
    """Part of a message's data. Strict when built; `Message.read` ignores unknown fields of newer releases."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Data):
    """A message's data. `type` is the name on the wire; each class states it."""

    type: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.__dict__.get("type")
        if name is None:
            return
        if name in _REGISTERED and _REGISTERED[name].__qualname__ != cls.__qualname__:
            raise TypeError(f"two classes have the message type {name!r}")
        _REGISTERED[name] = cls

    @property
    def subject(self) -> str:
        """The aggregate that the message is about. Messages with the same subject and source keep their order."""
        raise NotImplementedError(f"{type(self).__name__} has no subject")

    @classmethod
    def read(cls, data: dict[str, Any]) -> Self:
        """Validate data from the wire, ignoring unknown fields. Raises `pydantic.ValidationError`."""
        return cls.model_validate(data, extra="ignore")


class Event(Message):
    """Something that has happened. `visible_to`: the clients that may receive it."""

    visible_to: ClassVar[Audience]


class Command(Message):
    """Work for the one service that owns it."""


def conversation_subject(user_id: UUID, contact_phone: str) -> str:
    """The subject of all events of one conversation, which keeps them in order."""
    return f"conversation/{user_id}/{contact_phone}"


def registered() -> dict[str, type[Message]]:
    """All message classes by their type."""
    return dict(_REGISTERED)
