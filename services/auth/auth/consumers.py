"""The commands that auth consumes: message -> action."""

from auth.actions.trials import expire_trial, sweep_trials
from switchboard.contracts.auth import TrialExpire, TrialSweep
from switchboard.messaging.inbox.subscriptions import Subscriptions


def subscriptions() -> Subscriptions:
    subs = Subscriptions("auth")
    subs.on(TrialExpire, expire_trial)
    subs.on(TrialSweep, sweep_trials)
    return subs
