"""Recovery of deliveries with an expired lease: the process that claimed them ended or hangs."""

from dataclasses import dataclass

from conversations.actions.uncertain_deliveries import recover_expired_deliveries
from conversations.adapters.provider_accounts import ProviderAccounts
from switchboard.postgres.database import Database
from switchboard.runtime.background import Stop, repeat

EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class DeliveryRecovery:
    """Queues expired deliveries again, or marks them uncertain. Locks their rows, so that one instance takes each.

    `resends`: also queue those again that the provider may send twice.
    """

    database: Database
    accounts: ProviderAccounts
    resends: bool = False

    async def run(self, stop: Stop) -> None:
        await repeat(self.recover, every=EVERY_SECONDS)(stop)

    async def recover(self) -> int:
        """Recover all that have expired. Returns how many there were."""
        return await recover_expired_deliveries(
            self.database, idempotent=self.accounts.idempotent(), resends=self.resends
        )
