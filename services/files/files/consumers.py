"""What files does when it hears of something.

Deletions are not in this table: their effect is on the bucket, waits for it, and needs no transaction around it.
"""

from __future__ import annotations

from functools import partial

from files.actions.deletion import erase_bytes
from files.actions.deps import Desk
from files.workers.cleanup import Cleaner
from switchboard.contracts.files import FilesCleanup
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work


def subscriptions(cleaner: Cleaner, desk: Desk) -> Subscriptions:
    """The table of messages and their handlers."""
    subs = Subscriptions("files")

    async def ask_for_cleanup(_command: FilesCleanup, _work: Work) -> None:
        cleaner.ask()

    subs.on(FilesCleanup, ask_for_cleanup)
    subs.on_batch("deletions", partial(erase_bytes, desk=desk), desk.check)
    return subs
