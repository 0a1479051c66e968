"""What files does when it hears of something.

Deletions are not in this table: their effect is on the bucket, waits for it, and needs no transaction around it.
"""

from __future__ import annotations

from files.workers.cleanup import Cleaner
from switchboard.contracts.consumers import of_service
from switchboard.contracts.files import FilesCleanup
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work

DELETIONS = "deletions"


def subscriptions(cleaner: Cleaner) -> Subscriptions:
    """The table."""
    subs = Subscriptions("files", tuple(s for s in of_service("files") if s.name != DELETIONS))

    async def ask_for_cleanup(_command: FilesCleanup, _work: Work) -> None:
        cleaner.ask()

    subs.on(FilesCleanup, ask_for_cleanup)
    return subs
