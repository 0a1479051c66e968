"""Refusals of the scheduler. A docstring is the `detail` that clients get."""

from switchboard.runtime.refusals import Refusal


class WrongState(Refusal):
    """The current status does not allow this."""

    code = "invalid_state"
    status = 409


class AlreadyFired(Refusal):
    """It has already fired and can no longer be changed or cancelled."""

    code = "already_fired"
    status = 409
