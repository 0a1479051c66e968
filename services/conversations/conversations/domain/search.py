"""Search patterns for contacts by name or phone."""

import re

PHONE_LIKE = re.compile(r"[\d\s()+./-]+")
MIN_DIGITS = 3


def pattern_of(q: str) -> str:
    """A LIKE pattern that finds `q` anywhere. Of a phone number only the digits count, not how they are grouped."""
    digits = re.sub(r"\D", "", q)
    if PHONE_LIKE.fullmatch(q) and len(digits) >= MIN_DIGITS:
        return f"%{digits}%"
    return "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
