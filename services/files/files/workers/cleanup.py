"""The cleanup worker."""

import structlog

from files.actions.cleanup import clean_up
from files.actions.deps import FileDeps
from files.metrics import FilesMetrics
from switchboard.runtime.background import Stop, Wakeup
from switchboard.runtime.unavailable import Unavailable

log = structlog.get_logger(__name__)


class CleanupWorker:
    """Runs the cleanup whenever it is requested.

    The command `files.cleanup` only requests it: a cleanup takes longer than a consumer's transaction may. If a process
    dies before it has cleaned up, the next command comes within an hour.
    """

    def __init__(self, deps: FileDeps, metrics: FilesMetrics) -> None:
        self._deps = deps
        self._metrics = metrics
        self._requested = Wakeup()

    def request(self) -> None:
        """Run the cleanup soon."""
        self._requested.set()

    async def run(self, stop: Stop) -> None:
        while not stop.is_set():
            if await self._requested.wait(stop) and not stop.is_set():
                try:
                    await clean_up(self._deps, self._metrics)
                except Unavailable as error:
                    log.warning("cleanup_put_off", reason=str(error))
