"""Export to legacy files.

Without newer messages in the conversation a file is written as it was imported, byte for byte. Newer messages are
appended to the conversation's newest file, in the style of that file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from conversations.legacy import files, store
from conversations.legacy.messages import written_as_legacy
from switchboard.contracts.conversations import NOTE_CHANNEL
from switchboard.postgres.database import Database


@dataclass
class ExportReport:
    files: int = 0
    messages: int = 0


async def export_conversation(
    database: Database,
    tenant_id: UUID,
    conversation: tuple[UUID, UUID, str],
    into: Path,
    folders: Mapping[UUID, str],
    report: ExportReport,
) -> None:
    """Write the files of one conversation; none if it was cleared."""
    conversation_id, user_id, phone = conversation
    async with database.connection() as conn:
        sources = await store.list_files(conn, tenant_id, conversation_id)
        messages = await store.list_with_origin(conn, conversation_id)
    home = _home_of_new(messages, sources) or f"{folders.get(user_id, str(user_id))}/{phone.lstrip('+')}.json"
    layouts = {source.file: files.Layout.from_json(source.layout) for source in sources}
    texts = _elements(messages, layouts, home)
    for source in sources:
        if not source.filled:
            texts.setdefault(source.file, [])
    for name, elements in texts.items():
        _write(into / name, files.write(elements, layouts.get(name, files.PRETTY)))
        report.files += 1
        report.messages += len(elements)


def _home_of_new(messages: list[store.MessageWithOrigin], sources: list[store.ImportedFile]) -> str | None:
    """The file that newer messages are appended to."""
    files_by_age = [message.file for message in messages if message.file]
    return files_by_age[-1] if files_by_age else next((source.file for source in sources), None)


def _elements(
    messages: list[store.MessageWithOrigin], layouts: Mapping[str, files.Layout], home: str
) -> dict[str, list[str]]:
    """The elements of each file in order. Of two with the same position, the later one is kept."""
    placed: dict[str, dict[int, str]] = {}
    for kept in messages:
        if kept.file is not None and kept.position is not None and kept.original is not None:
            placed.setdefault(kept.file, {})[kept.position] = kept.original
    texts = {name: [at[position] for position in sorted(at)] for name, at in placed.items()}
    layout = layouts.get(home, files.PRETTY)
    neighbour = texts[home][-1] if home in texts else None
    for kept in messages:
        if kept.file is None and kept.message.channel != NOTE_CHANNEL:  # the legacy platform has no notes
            texts.setdefault(home, []).append(written_as_legacy(kept.message, neighbour, indent=layout.indent))
    return texts


def _write(path: Path, content: bytes) -> None:
    """Write atomically: the whole file or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)
