"""The folder of the original's files: which are there, whose they are, which belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from conversations.legacy.phones import from_file_name
from switchboard.runtime.phones import NotAPhone


@dataclass(frozen=True)
class SourceFile:
    """`name`: `{userId}/{phone}.json`, which says which file it is for ever."""

    path: Path
    name: str

    @property
    def old_user(self) -> str:
        return self.path.parent.name


@dataclass(frozen=True)
class Broken:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Group:
    """All files of one conversation: those whose names normalise to one phone."""

    user_id: UUID
    phone: str
    files: tuple[SourceFile, ...]


@dataclass(frozen=True)
class Names:
    """How the original's names are read. `user_map`: old user ids to new; `users`: those that the tenant has."""

    user_map: Mapping[str, UUID]
    users: frozenset[UUID]
    region: str | None

    def user(self, old: str) -> UUID:
        """Raises `ValueError` with the reason."""
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
    """Every `{userId}/{phone}.json`, in a steady order. Links are not followed out of the folder."""
    for user_folder in sorted(folder.iterdir()):
        if not user_folder.is_dir() or user_folder.is_symlink():
            continue
        for path in sorted(user_folder.glob("*.json")):
            if path.is_file() and not path.is_symlink():
                yield SourceFile(path, f"{user_folder.name}/{path.name}")


def group_files(files: Iterator[SourceFile], names: Names) -> tuple[list[Group], list[Broken]]:
    """The conversations, and the files whose name says nothing."""
    together: dict[tuple[UUID, str], list[SourceFile]] = {}
    broken: list[Broken] = []
    for file in files:
        try:
            key = names.user(file.old_user), from_file_name(file.path.stem, names.region)
        except (NotAPhone, ValueError) as error:
            broken.append(Broken(file.name, str(error)))
        else:
            together.setdefault(key, []).append(file)
    return [Group(user_id, phone, tuple(found)) for (user_id, phone), found in together.items()], broken
