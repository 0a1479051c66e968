"""What the scheduler refuses, and how it says so."""

from __future__ import annotations

from switchboard.runtime.refusals import Refusal


class WrongState(Refusal):
    """What it is now doesn't allow this."""

    code = "invalid_state"
    status = 409


class AlreadyFired(Refusal):
    """It has fired: what came of it can't be taken back here."""

    code = "already_fired"
    status = 409
