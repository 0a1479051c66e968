"""The sending slots of a process: shares for single messages and for other tenants are kept free."""

from collections import Counter
from uuid import UUID

CAMPAIGN_SHARE = 0.5  # of the slots: the rest is for single messages, which so pass the campaigns
TENANT_SHARE = 0.75  # of the slots: the rest is for other tenants, as the tenant's provider may hang


class SendingSlots:
    """Counts the deliveries in progress, and those that have a slot reserved while they are stored."""

    def __init__(self, slots: int) -> None:
        self.total = slots
        self._used = 0
        self._of_campaigns = 0
        self._of_tenants: Counter[UUID] = Counter()

    def free(self) -> int:
        return self.total - self._used

    def free_for_campaigns(self) -> int:
        return min(int(self.total * CAMPAIGN_SHARE) - self._of_campaigns, self.free())

    def free_of(self, tenant_id: UUID) -> int:
        """How many more the tenant may use, if they are free."""
        return int(self.total * TENANT_SHARE) - self._of_tenants[tenant_id]

    def take(self, tenant_id: UUID, *, campaign: bool = False) -> None:
        self._used += 1
        self._of_campaigns += campaign
        self._of_tenants[tenant_id] += 1

    def give_back(self, tenant_id: UUID, *, campaign: bool = False) -> None:
        self._used -= 1
        self._of_campaigns -= campaign
        self._of_tenants -= Counter([tenant_id])  # subtraction drops zero counts
