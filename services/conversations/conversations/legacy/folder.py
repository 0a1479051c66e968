"""The legacy folder: its files, grouped by conversation. A file is named `{userId}/{phone}.json`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from conversations.legacy.phones import phone_of_file_name
from switchboard.runtime.phones import NotAPhone


@dataclass(frozen=True)
class SourceFile:
    """One file. `name`: `{userId}/{phone}.json`, by which imported messages remember it."""

    path: Path
    name: str

    @property
    def old_user(self) -> str:
        return self.path.parent.name


@dataclass(frozen=True)
class BrokenFile:
    """A file, or a message `file[position]`, that was not imported, and the reason."""

    file: str
    reason: str


@dataclass(frozen=True)
class Group:
    """All files of one conversation: their names normalise to the same phone."""

    user_id: UUID
    phone: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class Names:
    """Resolves file names to users and phones. `user_map`: old user ids to new. `users`: the tenant's users."""

    user_map: Mapping[str, UUID]
    users: frozenset[UUID]
    region: str | None

    def user(self, old: str) -> UUID:
        """The user with an old id. Raises `ValueError` with the reason."""
        new = self.user_map.get(old)
        if new is None:
            try:
                new = UUID(old)
            except ValueError:
                raise ValueError(f"user {old!r} is not in the user map") from None
        if new not in self.users:
            raise ValueError(f"the tenant has no user {new}" + ("" if str(new) == old else f" (of {old!r})"))
        return new


def list_files(folder: Path) -> Iterator[SourceFile]:
    """Every `{userId}/{phone}.json` in sorted order. Symbolic links are not followed."""
    for user_folder in sorted(folder.iterdir()):
        if not user_folder.is_dir() or user_folder.is_symlink():
            continue
        for path in sorted(user_folder.iterdir()):
            if path.suffix.lower() == ".json" and path.is_file() and not path.is_symlink():
                yield SourceFile(path, f"{user_folder.name}/{path.name}")


def group_files(files: Iterator[SourceFile], names: Names) -> tuple[list[Group], list[BrokenFile]]:
    """Group files by conversation. Returns the groups, and the files with unusable names."""
    by_conversation: dict[tuple[UUID, str], list[SourceFile]] = {}
    broken: list[BrokenFile] = []
    for file in files:
        try:
            key = names.user(file.old_user), phone_of_file_name(file.path.stem, names.region)
        except (NotAPhone, ValueError) as error:
            broken.append(BrokenFile(file.name, str(error)))
        else:
            by_conversation.setdefault(key, []).append(file)
    return [Group(user_id, phone, tuple(found)) for (user_id, phone), found in by_conversation.items()], broken
