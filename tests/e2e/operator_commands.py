"""Run operator commands of `bin/switchboard` on the stack under test."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest

from switchboard.cli.operator import ENVIRONMENTS
from switchboard.testing.stack import RunningStack


async def operate(stack: RunningStack, *arguments: object, **settings: str) -> str:
    """Run an operator command that must succeed, and return its output. Skips on a stack with unknown settings."""
    done = await _run(stack, arguments, settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def try_to_operate(stack: RunningStack, *arguments: object, **settings: str) -> str:
    """Run an operator command that must fail, and return what it says."""
    done = await _run(stack, arguments, settings)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


async def _run(
    stack: RunningStack, arguments: Sequence[object], settings: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    directory = str(stack.stack_dir / "env") if stack.stack_dir is not None else os.environ.get(ENVIRONMENTS)
    if directory is None:
        pytest.skip(f"an operator needs the settings of that stack: {ENVIRONMENTS}")
    command = [sys.executable, "-m", "switchboard.cli.operator", *map(str, arguments)]
    environment = {**os.environ, ENVIRONMENTS: directory, "NO_COLOR": "1", "COLUMNS": "200", **settings}
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
