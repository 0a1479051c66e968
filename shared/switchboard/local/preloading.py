"""supervisord with the code of the services already imported: `python -m switchboard.local.preloading`.

It starts a service as a fork of itself. The service then shares that memory with the others, about half of what each
needs, and starts with a fifth of the CPU or less. A service whose code has changed since, and any other program, is
executed as usual.
"""

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NoReturn

from supervisor import supervisord
from supervisor.options import ServerOptions

from switchboard.local.services import SERVICES, ServiceSpec
from switchboard.local.stack import build_of

ARGUMENTS_START, ARGUMENTS_END = 47, 48  # fields of /proc/PID/stat, from 0
HANDLED = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)  # by supervisord


class PreloadingOptions(ServerOptions):  # type: ignore[misc]  # it has no types
    """supervisord's options, through which it executes programs."""

    builds: ClassVar[dict[str, str]] = {}  # of the code that is imported, by package

    def execve(self, filename: str, argv: list[str], env: Mapping[str, str]) -> None:
        """Run a program in this process, which has just been forked."""
        package = argv[-1]
        unchanged = package in self.builds and self.builds[package] == env.get("SWITCHBOARD_BUILD")
        if unchanged and argv == [sys.executable, "-m", package]:
            run_module(package, env)
        os.execve(filename, argv, env)


def run_module(package: str, env: Mapping[str, str]) -> NoReturn:
    """Do in this process what `python -m package` does, and end it."""
    code: object = 1
    try:
        os.environ.clear()
        os.environ.update(env)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        show_as(["python", "-m", package])
        sys.argv = [package]
        runpy.run_module(package, run_name="__main__", alter_sys=True)
        code = None
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))  # what is open here is supervisord's


def show_as(command: Sequence[str]) -> None:
    """Let `ps` show this command: overwrite the arguments that the process was started with."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(fields[field - 2]) for field in (ARGUMENTS_START, ARGUMENTS_END))
    text = b"\0".join(word.encode() for word in command)
    if len(text) < end - start:
        ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


def preload(services: Sequence[ServiceSpec] = SERVICES) -> dict[str, str]:
    """Import the services, and return their builds. One that can't be imported is left out: its own log says why."""
    builds = {}
    for service in services:
        build = build_of(service)
        with contextlib.suppress(Exception):
            for module in (f"{service.package}.app", f"{service.package}.settings", "switchboard.process.main"):
                importlib.import_module(module)
            builds[service.package] = build
    return builds


def main() -> None:
    gc.disable()
    PreloadingOptions.builds.update(preload())
    gc.collect()
    gc.freeze()  # the garbage collector would write to the shared memory, and so copy it
    gc.enable()
    supervisord.ServerOptions = PreloadingOptions
    supervisord.main()


if __name__ == "__main__":
    main()
