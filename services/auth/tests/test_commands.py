"""Operator commands of auth, in a separate process."""

import json
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


def test_the_operator_extends_trials_and_suspends_tenants(database_url: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "auth.env").write_text(f"DATABASE_URL={database_url('auth')}\n")

    def operate(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "switchboard.cli.operator", *words],
            env={**os.environ, ENVIRONMENTS: str(tmp_path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    created = operate("user", "create", "anna@acme.example", "--password", "correct horse battery", "--tenant", "Acme")
    tenant = created[1].split()[-1]
    row = json.loads(operate("tenant", "list", "--json")[1])
    assert (row["id"], row["name"], row["status"], row["users"]) == (tenant, "Acme", "trial", 1)

    assert operate("tenant", "extend-trial", tenant, "--until", "2999-01-01T00:00:00Z")[0] == 0
    assert operate("tenant", "suspend", tenant)[0] == 0
    row = json.loads(operate("tenant", "show", tenant, "--json")[1])
    assert (row["trial_ends_at"], row["suspended"]) == ("2999-01-01T00:00:00+00:00", True)
    assert operate("tenant", "resume", tenant)[0] == 0
    assert "2999-01-01" in operate("tenant", "show", tenant)[1]

    for wrong in (["--until", "2020-01-01T00:00:00Z"], ["--until", "tomorrow"], ["--by", "soon"], []):
        assert operate("tenant", "extend-trial", tenant, *wrong)[0] == 1
    nobody = tenant[:-1] + ("0" if tenant[-1] != "0" else "1")
    for command in ("show", "suspend", "resume"):
        assert operate("tenant", command, nobody) == (1, f"there is no tenant {nobody}\n")
