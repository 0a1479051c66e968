"""Text in CSV files that a spreadsheet opens: never taken for a formula, and read back equal by our own import.

OWASP, CSV Injection: a cell that begins with one of these characters gets an apostrophe before it.
"""

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ESCAPED = re.compile(rf"'+[{re.escape(''.join(FORMULA_STARTS))}]")
_PHONE = re.compile(r"\+[1-9]\d{1,14}")


def as_text(value: str) -> str:
    """The value with an apostrophe before what a spreadsheet would compute."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) or _ESCAPED.match(value) else value


def from_text(cell: str) -> str:
    """The value of a cell that `as_text` made."""
    return cell[1:] if _ESCAPED.match(cell) else cell


def is_phone(value: str) -> bool:
    """Whether this is a number in E.164: its plus is no formula, and other programs expect it."""
    return _PHONE.fullmatch(value) is not None
