"""The manifest of a backup: what belongs to it, with checksums."""

import os
from hashlib import sha256
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

NAME = "manifest.json"
FORMAT = 1
CHUNK = 1 << 20


class UnusableBackup(Exception):
    """The directory holds no complete, undamaged backup that this version can read. The text says why."""


class BackedUpTable(BaseModel):
    """A table's rows. `sequences`: the last value of each of its columns that has a sequence."""

    name: str
    columns: list[str]
    rows: int
    sequences: dict[str, int] = {}


class BackedUpDatabase(BaseModel):
    """A service's database. `revision`: its last migration. Tables that refer to others come after them."""

    revision: str
    tables: list[BackedUpTable]


class Manifest(BaseModel):
    """`files`: the SHA-256 of every file of the backup, by its path; `objects`: how many the bucket had."""

    format: int
    taken_at: AwareDatetime
    databases: dict[str, BackedUpDatabase]
    messages: int
    objects: int | None
    keys: dict[str, str]
    files: dict[str, str]


def checksum(file: Path) -> str:
    """The SHA-256 of a file, in hex."""
    found = sha256()
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Complete a backup: flush its files to the disk, then write the manifest at once."""
    for path in manifest.files:
        with (directory / path).open("rb") as file:
            os.fsync(file.fileno())
    half = directory / f"{NAME}.part"
    with half.open("w") as file:
        file.write(manifest.model_dump_json(indent=2))
        file.flush()
        os.fsync(file.fileno())
    half.replace(directory / NAME)


def read_manifest(directory: Path) -> Manifest:
    """The manifest, after every file was compared with it. Raises `UnusableBackup`."""
    try:
        manifest = Manifest.model_validate_json((directory / NAME).read_bytes())
    except FileNotFoundError:
        raise UnusableBackup(f"{directory} has no {NAME}: it is no backup, or one that was cut short") from None
    except ValidationError as error:
        raise UnusableBackup(f"{directory / NAME}: {error.errors()[0]['msg']}") from None
    if manifest.format != FORMAT:
        raise UnusableBackup(f"{directory} has format {manifest.format}, this version reads {FORMAT}")
    for path, expected in manifest.files.items():
        file = directory / path
        if not file.is_file():
            raise UnusableBackup(f"{path} is missing from {directory}")
        if checksum(file) != expected:
            raise UnusableBackup(f"{path} is damaged: its checksum is not that of the manifest")
    return manifest
