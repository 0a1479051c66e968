"""The programs that the supervisor runs, and its configuration file."""

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from switchboard.local.stack_directory import REPOSITORY, StackDirectory, write_private

STACK_VARIABLE = "SWITCHBOARD_PLACE"  # set for each process of a stack, so that orphans are found


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = REPOSITORY
    stop_signal: str = "TERM"
    stop_within: int = 15  # seconds until SIGKILL
    settles_within: int = 1  # seconds; a program that exits sooner is restarted with a growing backoff
    autostart: bool = True  # with the supervisor; False for a program that needs a migrated database
    writes_own_log: bool = False  # takes the setting LOG_FILE; the supervisor adds what it prints before that
    build: str = ""  # a fingerprint of its code and files; a change restarts the program


def write_config(stack_dir: StackDirectory, programs: Sequence[Program], *, port: int, password: str) -> None:
    sections = [_supervisor(stack_dir, port, password), *(_program(stack_dir, program) for program in programs)]
    write_private(stack_dir.supervisor_config, "\n".join(sections))


def fingerprint(*contents: str | bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content.encode() if isinstance(content, str) else content)
    return digest.hexdigest()[:16]


def supervisord(stack_dir: StackDirectory, *, preload: bool) -> list[str]:
    """Return the supervisor's command. `preload`: with the services imported, so that they start as its forks."""
    module = "switchboard.local.preloading" if preload else "supervisor.supervisord"
    return [sys.executable, "-m", module, "-c", str(stack_dir.supervisor_config)]


def _supervisor(stack_dir: StackDirectory, port: int, password: str) -> str:
    return f"""\
[supervisord]
pidfile={_literal(stack_dir.root / "supervisord.pid")}
logfile={_literal(stack_dir.log("supervisord"))}
logfile_maxbytes=5MB
logfile_backups=1
childlogdir={_literal(stack_dir.root / "log")}
loglevel=info
minfds=4096

[inet_http_server]
port=127.0.0.1:{port}
username=switchboard
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _program(stack_dir: StackDirectory, program: Program) -> str:
    environment = {
        STACK_VARIABLE: str(stack_dir.root),
        "SWITCHBOARD_BUILD": program.build,
        **program.environment,
    }
    log = stack_dir.log(program.name)
    if program.writes_own_log:
        environment["LOG_FILE"] = str(log)
    return f"""\
[program:{program.name}]
command={_literal(shlex.join(str(word) for word in program.command))}
directory={_literal(program.directory)}
environment={",".join(f"{name}={_assigned(value)}" for name, value in sorted(environment.items()))}
autostart={str(program.autostart).lower()}
autorestart=true
startsecs={program.settles_within}
startretries=1000
stopsignal={program.stop_signal}
stopwaitsecs={program.stop_within}
killasgroup=true
redirect_stderr=true
stdout_logfile={_literal(log)}
stdout_logfile_maxbytes={0 if program.writes_own_log else "20MB"}
stdout_logfile_backups=1
"""


def _literal(value: object) -> str:
    return str(value).replace("%", "%%")


def _assigned(value: str) -> str:
    """Quote a value; the supervisor has no escape for the quote itself."""
    quote = "'" if '"' in value else '"'
    if quote in value or "\n" in value:
        raise ValueError(f"a setting can't hold both kinds of quotes or a line break: {value!r}")
    return f"{quote}{_literal(value)}{quote}"
