"""The messages that files consumes, and the action for each."""

from collections.abc import Callable

from files.actions.deletion import erase_bytes
from files.actions.deps import FileDeps
from switchboard.contracts.envelope import Envelope
from switchboard.contracts.files import FilesCleanup
from switchboard.messaging.inbox.subscriptions import Subscriptions
from switchboard.messaging.outbox.unit_of_work import Work


def subscriptions(deps: FileDeps, request_cleanup: Callable[[], None]) -> Subscriptions:
    """The table. Deletions are consumed in batches and outside of a transaction: they wait for the bucket."""
    subs = Subscriptions("files")

    async def start_cleanup(_command: FilesCleanup, _work: Work) -> None:
        request_cleanup()

    async def erase(deletions: list[Envelope]) -> None:
        await erase_bytes(deletions, deps)

    subs.on(FilesCleanup, start_cleanup)
    subs.on_batch("deletions", erase, deps.check)
    return subs
