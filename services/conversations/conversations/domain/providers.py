"""What a provider promises, and the three ways in which a send can end otherwise than well.

Not sent: refused before a byte was written, 429, other 4xx. Unknown: a time-out after the write, a cut, 5xx.
Who takes an idempotency key may be asked again after an unknown end; for others the delivery becomes `uncertain`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from switchboard.contracts.conversations import CallStatus


@dataclass(frozen=True)
class Account:
    """What a tenant sends with. `key`: the webhook's path; it selects tenant and secret."""

    provider: str
    number: str
    endpoint_key: str
    credentials: dict[str, str] = field(repr=False, default_factory=dict)
    tenant_id: UUID | None = None  # None: the installation's own, for tenants that have none

    @property
    def pace_key(self) -> str:
        """Who shares one rate at the provider."""
        return f"{self.provider}:{self.credentials.get('account_sid') or self.endpoint_key}"


@dataclass(frozen=True)
class Outgoing:
    """One message. `id` is the idempotency key."""

    id: UUID
    tenant_id: UUID
    recipient: str
    body: str


@dataclass(frozen=True)
class OutgoingCall:
    """Ring `user_phone`; who answers is connected with `contact_phone`."""

    id: UUID
    tenant_id: UUID
    user_phone: str
    contact_phone: str


class NotSent(Exception):
    """It is certain that nothing was sent. `again`: trying later may help."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class Throttled(NotSent):
    """Too fast. `after`: seconds that the provider asks for."""

    def __init__(self, reason: str, *, after: float) -> None:
        super().__init__(reason, again=True)
        self.after = after


class OutcomeUnknown(Exception):
    """It may have been sent, or not."""


class Provider(Protocol):
    """One way out. `takes_keys`: sending the same `id` twice has one effect."""

    name: str
    takes_keys: bool

    async def send(self, account: Account, message: Outgoing) -> str | None:
        """The provider's own id of it. Raises `NotSent`, `Throttled`, `OutcomeUnknown`."""

    async def call(self, account: Account, call: OutgoingCall) -> str | None:
        """The same for a call that begins to ring."""


@dataclass(frozen=True)
class Receipt:
    """The provider's word about a message of ours. `status` as in `domain/statuses.py`."""

    delivery_id: UUID | None
    ref: str | None
    status: str
    reason: str | None = None


@dataclass(frozen=True)
class CallReceipt:
    """The provider's word about a call of ours."""

    call_id: UUID
    ref: str | None
    status: CallStatus
    reason: str | None = None


@dataclass(frozen=True)
class Inbound:
    """A message from outside. `ref`: the provider's own id, by which the same one is known again."""

    ref: str
    sender: str
    body: str
    recipient: str


class BadSignature(Exception):
    """This webhook was not sent by the provider."""
