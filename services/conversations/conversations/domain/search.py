"""What somebody types to find a contact by name or phone."""

from __future__ import annotations

import re

PHONE_LIKE = re.compile(r"[\d\s()+./-]+")
FEWEST_DIGITS = 3


def pattern_of(q: str) -> str:
    """For LIKE: anywhere, as it is typed; of a phone the digits alone, however they are set apart."""
    digits = re.sub(r"\D", "", q)
    if PHONE_LIKE.fullmatch(q) and len(digits) >= FEWEST_DIGITS:
        return f"%{digits}%"
    return "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
