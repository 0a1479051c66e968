"""The columns of `files`, and how a row becomes a `File`."""

from __future__ import annotations

from typing import Any

from files.domain.files import File

COLUMNS = """
id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by, created_at, expires_at
"""


def file_from(row: Any) -> File:
    """The file of a row with just these columns."""
    return File(**dict(row))
