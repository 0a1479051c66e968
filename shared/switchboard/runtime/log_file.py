"""The log file of a process: its stdout and stderr, appended to a file of bounded size.

A process that writes its own file wakes nobody. A supervisor that copies lines from a pipe costs more than the request
that they are about.
"""

import os
import shutil
from pathlib import Path

MOST_BYTES = 20_000_000
CHECK_EVERY = 256  # lines


class LogFile:
    """Takes stdout and stderr of this process from its creation on, and rotates when lines are written through it.

    At `most` bytes the content moves to `FILE.1`, by copying: whoever else has the file open, such as a supervisor that
    reports why the process doesn't start, goes on in the same file.
    """

    def __init__(self, path: Path, *, most: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most
        self._lines = 0
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for stream in (1, 2):
            os.dup2(opened, stream)
        os.close(opened)

    def write(self, line: bytes) -> int:
        """Append a line at once."""
        if self._lines % CHECK_EVERY == 0:
            self._rotate()
        self._lines += 1
        return os.write(2, line)

    def flush(self) -> None:
        """Nothing is buffered."""

    def _rotate(self) -> None:
        try:
            if os.fstat(2).st_size >= self._most:
                shutil.copyfile(self._path, f"{self._path}.1")
                os.truncate(self._path, 0)
        except OSError:
            pass  # a full disk: writing goes on, or fails where the line is written
