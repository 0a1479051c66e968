"""One conversation as its files tell it: all messages of all of them, by time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from conversations.legacy import messages
from conversations.legacy.files import Element, Layout, Unreadable, parse
from conversations.legacy.folder import Broken, Group, SourceFile


@dataclass(frozen=True)
class Identity:
    """Which message of the original this is."""

    file: str
    position: int
    sha256: bytes


@dataclass(frozen=True)
class OldMessage:
    identity: Identity
    at: datetime
    meaning: messages.Meaning
    text: str


@dataclass(frozen=True)
class OldConversation:
    """`messages`: oldest first. `broken`: files of it that could not be read."""

    user_id: UUID
    phone: str
    layouts: dict[str, Layout]
    messages: list[OldMessage]
    broken: list[Broken]


def read_group(group: Group) -> OldConversation:
    """Never raises for what a file holds."""
    layouts: dict[str, Layout] = {}
    found: list[OldMessage] = []
    broken: list[Broken] = []
    for file in group.files:
        try:
            layout, of_file = _read_file(file)
        except (Unreadable, messages.NotAMessage, OSError) as error:
            broken.append(Broken(file.name, str(error)))
        else:
            layouts[file.name] = layout
            found += of_file
    if len(layouts) > 1:
        found.sort(key=lambda message: message.at)  # stable: a file keeps its own order where times are equal
    return OldConversation(group.user_id, group.phone, layouts, found, broken)


def _read_file(file: SourceFile) -> tuple[Layout, list[OldMessage]]:
    parsed = parse(file.path.read_bytes())
    meanings = [_meaning(element, position) for position, element in enumerate(parsed.elements)]
    times = messages.in_time_order(meanings)
    return parsed.layout, [
        OldMessage(Identity(file.name, position, element.sha256), at, meaning, element.text)
        for position, (element, meaning, at) in enumerate(zip(parsed.elements, meanings, times, strict=True))
    ]


def _meaning(element: Element, position: int) -> messages.Meaning:
    try:
        return messages.read(element.value)
    except messages.NotAMessage as error:
        raise messages.NotAMessage(f"message {position}: {error}") from error
