"""`bin/switchboard`, as an operator runs it on the stack under test."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from switchboard.cli.operator import ENVIRONMENTS
from switchboard.testing.stack import RunningStack


async def operate(stack: RunningStack, *words: object, **settings: str) -> str:
    """What it said; fails unless it ended well. Skips on a stack whose settings nobody told us."""
    where = str(stack.place / "env") if stack.place is not None else os.environ.get(ENVIRONMENTS)
    if where is None:
        pytest.skip(f"an operator needs the settings of that stack: {ENVIRONMENTS}")
    command = [sys.executable, "-m", "switchboard.cli.operator", *map(str, words)]
    environment = {**os.environ, ENVIRONMENTS: where, "NO_COLOR": "1", "COLUMNS": "200", **settings}
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
