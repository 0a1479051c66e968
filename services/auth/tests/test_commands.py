"""Operator commands of auth, in a separate process."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from switchboard.cli.operator import ENVIRONMENTS


def test_user_create_prints_one_line_and_nothing_else(database_url: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "auth.env").write_text(f"DATABASE_URL={database_url('auth')}\n")
    words = ["user", "create", "anna@acme.example", "--password", "correct horse battery"]

    done = subprocess.run(
        [sys.executable, "-m", "switchboard.cli.operator", *words],
        env={**os.environ, ENVIRONMENTS: str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert re.fullmatch(r"user [0-9a-f-]{36} of tenant [0-9a-f-]{36}\n", done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
