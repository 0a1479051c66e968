"""What lies in the original's folder, and what its files belong to."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from files.domain.file_names import Name, read_name
from files.domain.files import ENTITY_ID, ENTITY_TYPE

UUID_PREFIX = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}-(?=.)")
CHUNK = 1024 * 1024


class Entity(NamedTuple):
    """What a document belongs to."""

    type: str
    id: str


class BadMap(Exception):
    """The map can't be read. The text says which line, and why."""


@dataclass(frozen=True, slots=True)
class Original:
    """One file of the folder. `path` is relative to it, with slashes."""

    path: str
    file: Path
    entity: Entity

    def name(self) -> Name:
        """What its user called it: the original took any extension. Raises ValueError for a name that can't be."""
        return read_name(UUID_PREFIX.sub("", self.file.name, count=1), any_extension=True)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes."""
        with self.file.open("rb") as content:
            while chunk := content.read(CHUNK):
                yield chunk

    def digest(self) -> str:
        """Its SHA-256, in lower-case hex."""
        found = sha256()
        for chunk in self.chunks():
            found.update(chunk)
        return found.hexdigest()


def list_originals(folder: Path, entities: Mapping[str, Entity], default: Entity) -> list[Original]:
    """All files below a folder, in the order of their paths; those that begin with a dot are not documents."""
    found = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    paths = [(file.relative_to(folder).as_posix(), file) for file in found]
    return [Original(path, file, entities.get(path) or entities.get(file.name) or default) for path, file in paths]


def read_map(file: Path) -> dict[str, Entity]:
    """A CSV of old path, entity type, entity id; a first line of headings is passed over. Raises `BadMap`."""
    entities: dict[str, Entity] = {}
    with file.open(newline="", encoding="utf-8-sig") as lines:
        for number, row in enumerate(csv.reader(lines), 1):
            if not row or (number == 1 and "entity" in "".join(row).lower() and len(row) > 1 and "_" in row[1]):
                continue
            if len(row) != 3 or not re.match(ENTITY_TYPE, row[1]) or not re.match(ENTITY_ID, row[2]):
                raise BadMap(f"{file}, line {number}: wants a path, an entity type and an entity id")
            entities[row[0].removeprefix("./").removeprefix("uploads/documents/")] = Entity(row[1], row[2])
    return entities
