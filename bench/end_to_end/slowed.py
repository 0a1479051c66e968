"""Run a service with 5 ms of blocking sleep for each new message: `python -m bench.end_to_end.slowed PACKAGE`."""

import runpy
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from switchboard.local.programs import Program
from switchboard.local.stack import Stack

SLEEP_SECONDS = 0.005


@dataclass(frozen=True)
class SlowedStack(Stack):
    """A stack whose instances of conversations sleep in the handler of a new message."""

    def _programs(self) -> list[Program]:
        return [
            replace(program, command=[program.command[0], "-m", "bench.end_to_end.slowed", program.command[-1]])
            if program.command[-1] == "conversations"
            else program
            for program in super()._programs()
        ]


def sleep_in_handler() -> None:
    from conversations.actions.messages import MessageAppender

    append = MessageAppender.append

    async def sleep_and_append(self: MessageAppender, *message: Any) -> Any:
        time.sleep(SLEEP_SECONDS)  # noqa: ASYNC251  # as a handler that computes for so long
        return await append(self, *message)

    MessageAppender.append = sleep_and_append  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    sleep_in_handler()
    (package,) = sys.argv[1:]
    sys.argv = [package]
    runpy.run_module(package, run_name="__main__", alter_sys=True)
