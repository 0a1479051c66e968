"""Reads a conversation from all its legacy files, sorted by time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from conversations.legacy import messages
from conversations.legacy.files import ConversationFile, Element, Layout, UnreadableFile, parse
from conversations.legacy.folder import BrokenFile, Group, SourceFile
from conversations.legacy.matching import Candidate, Known, match


@dataclass(frozen=True)
class MessageIdentity:
    """The place of a message in the files as they are now."""

    file: str
    position: int
    sha256: bytes


@dataclass(frozen=True)
class LegacyMessage:
    """A message of a legacy file. `text`: as it is in the file; `value`: what that says."""

    identity: MessageIdentity
    at: datetime
    parsed: messages.ParsedMessage
    text: str
    value: dict[str, Any]

    @property
    def content(self) -> tuple[str, str, datetime]:
        """What it says whatever else is noted about it: direction, text and time."""
        return self.parsed.direction, self.parsed.body, self.at


@dataclass(frozen=True)
class LegacyConversation:
    """A conversation read from files. `messages`: oldest first. `broken`: files and messages that could not be read."""

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
            content = parse(file.path.read_bytes())
        except (UnreadableFile, OSError) as error:
            broken.append(BrokenFile(file.name, str(error)))
        else:
            layouts[file.name] = content.layout
            found += _read_messages(file, content, broken)
    if len(layouts) > 1:
        found.sort(key=lambda message: message.at)  # stable: messages with equal times keep the order of their file
    return LegacyConversation(group.user_id, group.phone, layouts, found, broken)


def _read_messages(file: SourceFile, content: ConversationFile, broken: list[BrokenFile]) -> list[LegacyMessage]:
    """The messages of a file. One that can't be read is reported, and disturbs no other."""
    read: list[tuple[int, Element, messages.ParsedMessage]] = []
    for position, element in enumerate(content.elements):
        try:
            read.append((position, element, messages.parse_message(element.value)))
        except messages.NotAMessage as error:
            broken.append(BrokenFile(f"{file.name}[{position}]", str(error)))
    times = messages.times_of([parsed for _, _, parsed in read])
    return [
        LegacyMessage(MessageIdentity(file.name, position, element.sha256), at, parsed, element.text, element.value)
        for (position, element, parsed), at in zip(read, times, strict=True)
    ]


def match_known(
    conversation: LegacyConversation, known: Mapping[str, Sequence[Known]]
) -> list[tuple[LegacyMessage, Known | None]]:
    """Each message of the conversation, with the imported one that it is. `known`: by file, ordered by position."""
    of_file: dict[str, list[LegacyMessage]] = {}
    for message in sorted(conversation.messages, key=lambda message: message.identity.position):
        of_file.setdefault(message.identity.file, []).append(message)
    matched: dict[MessageIdentity, Known | None] = {}
    for file, found in of_file.items():
        candidates = [Candidate(each.identity.sha256, each.content) for each in found]
        matches = match(candidates, known.get(file, ()))
        matched |= {each.identity: one for each, one in zip(found, matches, strict=True)}
    return [(message, matched[message.identity]) for message in conversation.messages]
