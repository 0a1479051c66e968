"""The measurements so far, kept in a file: a run that was interrupted goes on where it was."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.end_to_end.measurements import Figures, Idle


class State:
    """Maps (round, system, kind of message, point) to figures."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._kept: dict[str, dict[str, Any]] = {}
        if file is not None and file.exists():
            self._kept = json.loads(file.read_text())

    def has(self, *key: object) -> bool:
        return _name(key) in self._kept

    def put(self, figures: Figures | Idle, *key: object) -> None:
        self._kept[_name(key)] = asdict(figures)
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._kept))

    def figures(self, rounds: int, *key: object) -> list[Figures]:
        return [Figures(**self._kept[_name((n, *key))]) for n in range(rounds) if self.has(n, *key)]

    def idle(self, rounds: int, system: str) -> list[Idle]:
        return [Idle(**self._kept[_name((n, system, "idle"))]) for n in range(rounds) if self.has(n, system, "idle")]

    def forget(self) -> None:
        """After a complete run: the next one begins anew."""
        self._kept = {}
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def _name(key: tuple[object, ...]) -> str:
    return " | ".join(map(str, key))
