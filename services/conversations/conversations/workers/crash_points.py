"""Sudden ends at named points, for the tests that show that nothing is lost or doubled by them."""

from __future__ import annotations

import os
import signal

from conversations.workers.message_sender import Checkpoint


def crashing_at(setting: str) -> Checkpoint:
    """`point:n` ends the process by SIGKILL at the nth passing of the point; empty never does."""
    point, _, passings = setting.partition(":")
    left = int(passings or 0)

    def pass_by(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return pass_by
