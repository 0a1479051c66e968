"""The legacy platform's folder of documents, and the CSV map from its files to entities."""

import csv
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from files.domain.file_names import FileName, parse_file_name
from files.domain.files import ENTITY_ID, ENTITY_TYPE

UUID_PREFIX = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-(?=.)")
CHUNK = 1024 * 1024


class Entity(NamedTuple):
    """The entity that a document belongs to."""

    type: str
    id: str


class InvalidMap(Exception):
    """The map can't be read. The text names the line and the reason."""


@dataclass(frozen=True, slots=True)
class LegacyFile:
    """One file of the folder. `path` is relative to the folder, with slashes."""

    path: str
    file: Path
    entity: Entity

    def name(self) -> FileName:
        """The name that its user gave it. Any extension is allowed, as it was. Raises ValueError if it is invalid."""
        if not _is_utf8(self.path):
            raise ValueError("has a name that is not UTF-8: rename it")
        return parse_file_name(_repaired(UUID_PREFIX.sub("", self.file.name, count=1)), any_extension=True)

    @property
    def shown(self) -> str:
        """The path for the terminal, with bytes that are no UTF-8 as `\\xe9`."""
        return os.fsencode(self.path).decode(errors="backslashreplace")

    def chunks(self) -> Iterator[bytes]:
        with self.file.open("rb") as content:
            while chunk := content.read(CHUNK):
                yield chunk

    def digest(self) -> str:
        found = sha256()
        for chunk in self.chunks():
            found.update(chunk)
        return found.hexdigest()


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # Python keeps other bytes as surrogates
        return False
    return True


def _repaired(name: str) -> str:
    """The name that was uploaded. The legacy platform read the UTF-8 of names as Latin-1: `Résumé` became `RÃ©sumÃ©`.

    Only what reads as UTF-8 again is decoded, so that other names stay as they are.
    """
    try:
        return unicodedata.normalize("NFC", name).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name


def list_legacy_files(folder: Path, entities: Mapping[str, Entity], default: Entity) -> list[LegacyFile]:
    """All files below a folder, by path. Hidden files (`.name`) are no documents."""
    found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    paths = [(file.relative_to(folder).as_posix(), file) for file in found]
    return [LegacyFile(path, file, entities.get(path) or entities.get(file.name) or default) for path, file in paths]


def read_map(file: Path) -> dict[str, Entity]:
    """Read a CSV of old path, entity type and entity id, with or without a header line. Raises `InvalidMap`."""
    entities: dict[str, Entity] = {}
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8: save it as CSV UTF-8"
        raise InvalidMap(f"{file} can't be read: {reason}") from None
    try:
        for number, row in enumerate(csv.reader(StringIO(text, newline="")), 1):
            if not row or (number == 1 and "entity" in "".join(row).lower() and len(row) > 1 and "_" in row[1]):
                continue
            if len(row) != 3 or not re.match(ENTITY_TYPE, row[1]) or not re.match(ENTITY_ID, row[2]):
                raise InvalidMap(f"{file}, line {number}: expected a path, an entity type and an entity id")
            entities[row[0].removeprefix("./").removeprefix("uploads/documents/")] = Entity(row[1], row[2])
    except csv.Error as error:
        raise InvalidMap(f"{file} can't be read: {error}") from None
    return entities
