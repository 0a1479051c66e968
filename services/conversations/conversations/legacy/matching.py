"""Recognises the messages of a file that were imported before, by their content and time.

Their place in the file says nothing: the legacy platform drops the oldest messages of a long conversation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Known:
    """A message of the file that was imported. `content` is None once it was deleted."""

    position: int
    sha256: bytes
    content: tuple[str, str, datetime] | None


@dataclass(frozen=True)
class Candidate:
    """A message as it is in the file now. `content`: direction, text, time."""

    sha256: bytes
    content: tuple[str, str, datetime]


def match(candidates: Sequence[Candidate], known: Sequence[Known]) -> list[Known | None]:
    """For each message of the file, in order, the imported one that it is; None: it is new.

    `known` is ordered by position. Equal messages are as many as they are, since what is matched keeps its order. A
    message that was written anew since (another status, another layout) is recognised by its content.
    """
    found: list[Known | None] = []
    was_there = 0  # how many of the known ones are behind
    for begin, start, size in _aligned([each.sha256 for each in candidates], [each.sha256 for each in known]):
        found += _match_content(candidates[len(found) : begin], known[was_there:start])
        found += known[start : start + size]
        was_there = start + size
    return found


def _match_content(candidates: Sequence[Candidate], known: Sequence[Known]) -> list[Known | None]:
    left = list(known)
    found: list[Known | None] = []
    for candidate in candidates:
        same = next((each for each in left if each.content == candidate.content), None)
        if same is not None:
            left.remove(same)
        found.append(same)
    return found


def _aligned(now: list[bytes], before: list[bytes]) -> list[tuple[int, int, int]]:
    """The stretches that both lists have, as (begin in `now`, begin in `before`, length); the last is empty."""
    end = (len(now), len(before), 0)
    for start in range(len(before)):  # the oldest may have been dropped, and others follow
        kept = len(before) - start
        if now and before[start] == now[0] and now[:kept] == before[start:]:
            return [(0, start, kept), end]
    return [
        (each.a, each.b, each.size) for each in SequenceMatcher(None, now, before, autojunk=False).get_matching_blocks()
    ]
