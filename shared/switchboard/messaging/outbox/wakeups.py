"""When the outbox relay looks for new rows: at once if somebody waits for the message, else at its next tick."""

from switchboard.messaging.outbox.unit_of_work import OUTBOX, OUTBOX_LATER
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, Wakeup


class OutboxWakeups:
    """The notifications of the outbox, as one waiting loop needs them."""

    def __init__(self, database: Database) -> None:
        self._wakeup = Wakeup()
        self._asleep = False
        database.on_notify(OUTBOX, self._wakeup.set)
        database.on_notify(OUTBOX_LATER, self._wake_if_asleep)

    async def tick(self, stop: Stop, seconds: float) -> None:
        """Wait for so many seconds, or until a message was stored that somebody waits for."""
        await self._wakeup.wait(stop, seconds)

    async def sleep(self, stop: Stop, within: float) -> None:
        """Wait until any message was stored, for `within` seconds at most."""
        self._asleep = True
        try:
            await self._wakeup.wait(stop, within)
        finally:
            self._asleep = False

    def _wake_if_asleep(self) -> None:
        if self._asleep:
            self._wakeup.set()
