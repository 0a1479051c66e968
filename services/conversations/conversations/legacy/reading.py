"""Reads a conversation from all its legacy files, sorted by time."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from conversations.legacy import messages
from conversations.legacy.files import Element, Layout, UnreadableFile, parse
from conversations.legacy.folder import BrokenFile, Group, SourceFile


@dataclass(frozen=True)
class MessageIdentity:
    """Identifies a legacy message, for deduplication."""

    file: str
    position: int
    sha256: bytes


@dataclass(frozen=True)
class LegacyMessage:
    """A message of a legacy file. `text`: as it is in the file."""

    identity: MessageIdentity
    at: datetime
    parsed: messages.ParsedMessage
    text: str


@dataclass(frozen=True)
class LegacyConversation:
    """A conversation read from files. `messages`: oldest first. `broken`: the files that could not be read."""

    user_id: UUID
    phone: str
    layouts: dict[str, Layout]
    messages: list[LegacyMessage]
    broken: list[BrokenFile]


def read_group(group: Group) -> LegacyConversation:
    """Read the files of one conversation. A file that can't be read is reported, and never raises."""
    layouts: dict[str, Layout] = {}
    found: list[LegacyMessage] = []
    broken: list[BrokenFile] = []
    for file in group.files:
        try:
            layout, of_file = _read_file(file)
        except (UnreadableFile, messages.NotAMessage, OSError) as error:
            broken.append(BrokenFile(file.name, str(error)))
        else:
            layouts[file.name] = layout
            found += of_file
    if len(layouts) > 1:
        found.sort(key=lambda message: message.at)  # stable: messages with equal times keep the order of their file
    return LegacyConversation(group.user_id, group.phone, layouts, found, broken)


def _read_file(file: SourceFile) -> tuple[Layout, list[LegacyMessage]]:
    content = parse(file.path.read_bytes())
    parsed = [_parse(element, position) for position, element in enumerate(content.elements)]
    times = messages.times_of(parsed)
    return content.layout, [
        LegacyMessage(MessageIdentity(file.name, position, element.sha256), at, message, element.text)
        for position, (element, message, at) in enumerate(zip(content.elements, parsed, times, strict=True))
    ]


def _parse(element: Element, position: int) -> messages.ParsedMessage:
    try:
        return messages.parse_message(element.value)
    except messages.NotAMessage as error:
        raise messages.NotAMessage(f"message {position}: {error}") from error
