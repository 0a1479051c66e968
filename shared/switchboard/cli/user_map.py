"""The option `--user-map`: a file that maps the legacy platform's user ids to new ones."""

import csv
import json
from pathlib import Path
from uuid import UUID

import typer


def read_user_map(path: Path | None) -> dict[str, UUID]:
    """Read JSON `{old: new}` or CSV lines `old,new`. Text that begins with `{` is JSON. Empty without a file."""
    if path is None:
        return {}
    try:
        text = path.read_text("utf-8-sig")
        pairs = json.loads(text).items() if text.lstrip().startswith("{") else _csv(text)
        return {str(old).strip(): UUID(str(new).strip()) for old, new in pairs}
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not UTF-8: save it as CSV UTF-8", param_hint="--user-map") from None
    except ValueError as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--user-map") from None


def _csv(text: str) -> list[tuple[str, str]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if rows and rows[0][0].strip().lower() in ("old", "old_id", "user_id"):
        rows = rows[1:]
    if any(len(row) != 2 for row in rows):
        raise ValueError("each line needs two columns: old,new")
    return [(row[0], row[1]) for row in rows]
