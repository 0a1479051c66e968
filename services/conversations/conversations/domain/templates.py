"""Campaign templates: `{{name}}`, `{{phone}}`, as the scheduler accepted them."""

from __future__ import annotations

import re
from collections.abc import Mapping

FIELD = re.compile(r"\{\{\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*\}\}")


def render(template: str, fields: Mapping[str, str | None]) -> str:
    """Each field by its value, once: what a value contains is never read as a field. Unknown ones become empty."""
    return FIELD.sub(lambda match: fields.get(match[1]) or "", template)
