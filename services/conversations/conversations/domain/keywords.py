"""The words by which a contact says whether it wants messages at all."""

from __future__ import annotations

OUT = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
IN = frozenset({"start", "unstop"})


def opting(body: str) -> bool | None:
    """True: out. False: in again. None: a message like any other. Only when the word is all there is."""
    word = body.strip().strip(".!").lower()
    if word in OUT:
        return True
    return False if word in IN else None
