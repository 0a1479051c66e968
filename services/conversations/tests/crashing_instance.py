"""Run an instance that kills itself: `python crashing_instance.py after_yes:40` at its 40th passing of a checkpoint.

The checkpoints are those of `MessageSender`. The settings are in the environment, as for `python -m conversations`.
"""

import os
import signal
import sys
from functools import partial

from conversations.app import open_app
from conversations.settings import Settings
from conversations.workers.delivery_attempts import Checkpoint
from switchboard.process.main import main


def crash_at(point: str) -> Checkpoint:
    """A checkpoint that ends the process by SIGKILL. `point`: name and number of passings, as in `after_yes:40`."""
    name, _, passings = point.partition(":")
    left = int(passings)

    def checkpoint(passed: str) -> None:
        nonlocal left
        left -= passed == name
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


if __name__ == "__main__":
    main("conversations", Settings, partial(open_app, checkpoint=crash_at(sys.argv[1])))
