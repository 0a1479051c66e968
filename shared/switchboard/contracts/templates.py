"""Campaign templates: text with `{{field}}`s of the recipient.

The scheduler validates a template with `unknown_fields`, conversations fills it in with `fill_template`.
"""

import re
from collections.abc import Mapping

FIELDS = ("name", "first_name", "phone")
"""The fields of a recipient. A name that is unknown becomes empty text."""

_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def unknown_fields(template: str) -> list[str]:
    """The fields in the template that do not exist, in order, without duplicates."""
    found = (match[1] for match in _FIELD.finditer(template))
    return [name for name in dict.fromkeys(found) if name not in FIELDS]


def has_stray_braces(template: str) -> bool:
    """Whether a brace is no part of a field: it would be sent as it is, and is hardly meant so."""
    rest = _FIELD.sub("", template)
    return "{" in rest or "}" in rest


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """The text for one recipient. Fields in the values are not replaced."""
    return _FIELD.sub(lambda match: values.get(match[1], ""), template)
