"""The columns of `files` that make a `File`: `File(**row)`."""

COLUMNS = """
id, tenant_id, state, name, key, size, content_type, sha256, entity_type, entity_id, uploaded_by, created_at, expires_at
"""
