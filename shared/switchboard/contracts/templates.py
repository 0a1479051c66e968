"""A campaign's template: text with `{{field}}`s of the recipient.

Who plans a campaign checks it with `unknown_fields`, who sends it fills it in with `filled_in`: one grammar for both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

FIELDS = ("name", "first_name", "phone")
"""What a recipient has. A name that isn't known is left empty."""

_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def unknown_fields(template: str) -> list[str]:
    """The fields that no recipient has, in the order of the text, each once."""
    found = (match[1] for match in _FIELD.finditer(template))
    return [name for name in dict.fromkeys(found) if name not in FIELDS]


def filled_in(template: str, values: Mapping[str, str]) -> str:
    """The text for one recipient. What a value contains is never taken for a field."""
    return _FIELD.sub(lambda match: values.get(match[1], ""), template)
