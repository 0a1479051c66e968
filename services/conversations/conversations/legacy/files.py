"""Parser and writer of a legacy conversation file, which keep its text and layout byte for byte."""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")


class UnreadableFile(ValueError):
    """The file is not a JSON array of messages. The text gives the reason."""


@dataclass(frozen=True)
class Element:
    """One element of the array: its text in the file, and its parsed value."""

    text: str
    value: Any

    @property
    def sha256(self) -> bytes:
        """The checksum of the element's text."""
        return sha256(self.text.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True)
class Layout:
    """The text around the elements. `separators`: a single one if all are equal."""

    head: str
    separators: tuple[str, ...]
    tail: str

    def separator(self, position: int) -> str:
        """The text before the element at `position` (from 1), also for elements that are appended."""
        if not self.separators:
            return self._derived()
        if len(self.separators) == 1:
            return self.separators[0]
        return self.separators[min(position, len(self.separators)) - 1]

    def _derived(self) -> str:
        return "," + self.head.partition("[")[2]

    @property
    def indent(self) -> str | None:
        """The indentation of the elements; None when they are not on lines of their own."""
        before = self.separator(1)
        return before.rpartition("\n")[2] if "\n" in before else None

    def as_json(self) -> dict[str, Any]:
        return {"head": self.head, "separators": list(self.separators), "tail": self.tail}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Layout":
        """The layout from its stored form."""
        return cls(kept["head"], tuple(kept["separators"]), kept["tail"])


PRETTY = Layout("[\n  ", (",\n  ",), "\n]")  # as JSON.stringify(messages, null, 2) writes it


@dataclass(frozen=True)
class ConversationFile:
    elements: list[Element]
    layout: Layout


def parse(content: bytes) -> ConversationFile:
    """Parse a file. Raises `UnreadableFile`."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"not UTF-8 at byte {error.start}") from error
    start = 1 if text.startswith("\ufeff") else 0
    opening = _after_blank(text, start)
    if opening >= len(text):
        raise UnreadableFile("the file is empty")
    if text[opening] != "[":
        raise UnreadableFile("not a JSON array of messages")
    return _parse_array(text, opening)


def write(elements: list[str], layout: Layout) -> bytes:
    """The bytes of a file with these elements. For the elements and layout of `parse` they are the same bytes."""
    if not elements:
        return (layout.head + layout.tail).encode()
    if not layout.tail:
        layout = PRETTY  # the file was empty when it was read
    parts = [layout.head, elements[0]]
    for position, element in enumerate(elements[1:], start=1):
        parts += [layout.separator(position), element]
    return "".join([*parts, layout.tail]).encode("utf-8", "surrogatepass")


def _parse_array(text: str, opening: int) -> ConversationFile:
    at = _after_blank(text, opening + 1)
    if text[at : at + 1] == "]":
        _expect_end(text, at + 1)
        return ConversationFile([], Layout(text, (), ""))
    head = text[:at]
    elements: list[Element] = []
    separators: list[str] = []
    while True:
        element, end = _parse_element(text, at, len(elements))
        elements.append(element)
        comma = _COMMA.match(text, end)
        if comma is None:
            break
        separators.append(comma.group())
        at = comma.end()
    closing = _after_blank(text, end)
    if text[closing : closing + 1] != "]":
        raise UnreadableFile(f"broken off or not JSON at character {closing}")
    _expect_end(text, closing + 1)
    distinct = tuple(dict.fromkeys(separators))
    return ConversationFile(elements, Layout(head, distinct if len(distinct) == 1 else tuple(separators), text[end:]))


def _parse_element(text: str, at: int, position: int) -> tuple[Element, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnreadableFile(f"message {position} is not JSON: {error}") from error
    return Element(text[at:end], value), end


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _expect_end(text: str, at: int) -> None:
    if _after_blank(text, at) != len(text):
        raise UnreadableFile(f"something follows the array at character {at}")
