"""Search patterns for contacts by name or phone."""

import re
from unicodedata import normalize

PHONE_LIKE = re.compile(r"[\d\s()+./-]+")
MIN_DIGITS = 3


def pattern_of(q: str) -> str:
    """A LIKE pattern that finds `q` anywhere, whether its accents are composed or not.

    Of a phone number only the digits count, not how they are grouped, nor the zeros that come first in a country's own
    spelling of it.
    """
    q = normalize("NFC", q)
    digits = re.sub(r"\D", "", q).lstrip("0")
    if PHONE_LIKE.fullmatch(q) and len(digits) >= MIN_DIGITS:
        return f"%{digits}%"
    return "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
