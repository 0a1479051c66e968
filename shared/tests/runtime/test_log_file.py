"""The log file that a process writes itself. In a process of its own: it takes stdout and stderr."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from switchboard.runtime.log_file import LogFile

file = LogFile(Path(sys.argv[1]), most=100_000)
for number in range(30_000):
    file.write(b"line %d\\n" % number)
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def test_the_file_stays_bounded_and_keeps_the_newest_lines(tmp_path: Path) -> None:
    log, older = tmp_path / "demo.log", tmp_path / "demo.log.1"

    assert run(SCRIPT, str(log)).returncode == 0

    kept = older.read_text().splitlines() + log.read_text().splitlines()
    assert kept == [f"line {number}" for number in range(30_000 - len(kept), 30_000)]
    assert len(kept) < 30_000
    assert max(log.stat().st_size, older.stat().st_size) < 104_000


def test_what_others_append_to_the_file_is_rotated_with_it(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    with log.open("ab") as supervisor:
        run(SCRIPT, str(log))
        supervisor.write(b"it ended\n")

    assert log.read_text().endswith("\nit ended\n")


def test_lines_prints_and_tracebacks_go_to_the_file(tmp_path: Path) -> None:
    script = """
import structlog, sys
from pathlib import Path
from switchboard.runtime.logs import configure_logs
configure_logs("demo", "demo-1", "info", Path(sys.argv[1]))
structlog.get_logger().info("hello")
print("printed", flush=True)
raise RuntimeError("a bug")
"""
    done = run(script, str(tmp_path / "demo.log"))

    hello, printed, crashed = (tmp_path / "demo.log").read_text().splitlines()
    assert (json.loads(hello)["event"], printed) == ("hello", "printed")
    assert json.loads(crashed)["exception"].endswith("RuntimeError: a bug")
    assert (done.stdout, done.stderr) == ("", "")
