"""Commands that auth obeys.

Their marks are shown by the cache's own loop a moment later. Until then nobody gains anything by it: gateways go by
`trial_ends_at` themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime

from auth.actions.trials import expire_trial, sweep_trials
from switchboard.contracts.auth import TrialExpire, TrialSweep
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work


async def end_trial(command: TrialExpire, work: Work) -> None:
    await expire_trial(command, work)


async def end_missed_trials(command: TrialSweep, work: Work) -> None:
    await sweep_trials(work, datetime.now(UTC))


def subscriptions() -> Subscriptions:
    subs = Subscriptions("auth")
    subs.on(TrialExpire, end_trial)
    subs.on(TrialSweep, end_missed_trials)
    return subs
