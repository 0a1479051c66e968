"""Messaging providers: what they send, what they report, and how a send can fail.

Not sent: refused before a byte was written, 429, other 4xx. Unknown: a timeout after the write, a broken connection,
5xx. After an unknown outcome, a provider that takes idempotency keys is called again; with another one the delivery
becomes `uncertain`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from switchboard.contracts.conversations import CallStatus


@dataclass(frozen=True)
class ProviderAccount:
    """An account at a provider. `endpoint_key`: the secret path of its webhook, which identifies the account."""

    provider: str
    number: str
    endpoint_key: str
    credentials: dict[str, str] = field(repr=False, default_factory=dict)
    tenant_id: UUID | None = None  # None: the installation's own, for tenants that have none
    has_siblings: bool = False
    """Whether the tenant has other channels too: a contact is answered from the one that it wrote to."""

    @property
    def rate_limit_key(self) -> str:
        """The key of the rate limit: accounts with the same key share one."""
        return f"{self.provider}:{self.credentials.get('account_sid') or self.endpoint_key}"


@dataclass(frozen=True)
class Outgoing:
    """A message to send. `id` is the idempotency key."""

    id: UUID
    tenant_id: UUID
    recipient: str
    body: str


@dataclass(frozen=True)
class OutgoingCall:
    """A call to place: ring `user_phone`, and connect it with `contact_phone` when answered."""

    id: UUID
    tenant_id: UUID
    user_phone: str
    contact_phone: str


class NotSent(Exception):
    """The provider certainly did not send it. `retryable`: a retry may succeed. `opted_out`: the recipient refuses."""

    def __init__(self, reason: str, *, retryable: bool, opted_out: bool = False) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.opted_out = opted_out


class Throttled(NotSent):
    """The provider refused because of its rate limit. `after`: seconds that it asks to wait."""

    def __init__(self, reason: str, *, after: float) -> None:
        super().__init__(reason, retryable=True)
        self.after = after


class OutcomeUnknown(Exception):
    """It may or may not have been sent."""


@dataclass(frozen=True)
class Receipt:
    """A provider's report about a message that we sent. `status` as in `domain/statuses.py`.

    `opted_out`: it failed because the recipient has told the provider to stop.
    """

    delivery_id: UUID | None
    ref: str | None
    status: str
    reason: str | None = None
    opted_out: bool = False


@dataclass(frozen=True)
class CallReceipt:
    """A provider's report about a call that we placed."""

    call_id: UUID
    ref: str | None
    status: CallStatus
    reason: str | None = None


@dataclass(frozen=True)
class InboundMessage:
    """A message from a contact. `ref`: the provider's own id, for deduplication. `media`: content types and URLs."""

    ref: str
    sender: str
    body: str
    recipient: str
    media: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The text, and below it where its media are, so that who reads it knows of them."""
        return "\n".join([*filter(None, [self.body]), *(f"[{kind}] {url}" for kind, url in self.media)])


WebhookEvent = Receipt | CallReceipt | InboundMessage


class BadSignature(Exception):
    """The webhook's signature is wrong."""


class Provider(Protocol):
    """A messaging provider. `idempotent`: it takes idempotency keys, so that the same `id` is sent once.

    `carries_attachments`: whether documents go out with a message. What isn't carried is refused.
    """

    name: str
    idempotent: bool
    carries_attachments: bool

    async def send(self, account: ProviderAccount, message: Outgoing) -> str | None:
        """Send a message. Returns the provider's id of it. Raises `NotSent`, `Throttled`, `OutcomeUnknown`."""

    async def call(self, account: ProviderAccount, call: OutgoingCall) -> str | None:
        """Place a call, which then rings. Returns and raises as `send`."""

    def read_webhook(
        self, account: ProviderAccount, target: str, headers: Mapping[str, str], body: bytes
    ) -> WebhookEvent | None:
        """Verify and parse a webhook. None: nothing to act on. `target`: path and query as received.

        Raises `BadSignature`; `ValueError`, `KeyError` or `TypeError` for a malformed one.
        """
