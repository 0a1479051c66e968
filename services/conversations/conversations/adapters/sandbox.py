"""The sandbox provider: stores messages instead of sending them, and reports them as `delivered` a second later.

Sending to a phone that ends in 0000 always fails. Inbound messages can be tried with webhooks: JSON
`{id, from, to, body}`, signed in `X-Sandbox-Signature` with the hex HMAC-SHA256 of the body under the channel's
`secret`.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import timedelta

import orjson

from conversations.domain.providers import (
    BadSignature,
    InboundMessage,
    NotSent,
    Outgoing,
    OutgoingCall,
    ProviderAccount,
)
from conversations.store import sandbox as store
from switchboard.postgres.database import Database
from switchboard.runtime.batching import Batcher

ALWAYS_FAILS = "0000"
SANDBOX_REPORTS = "sandbox_reports"  # the NOTIFY channel of messages and calls to report
NOTIFY_SECONDS = 1.0


class Sandbox:
    """A provider that takes idempotency keys: the same id is stored once."""

    name = "sandbox"
    idempotent = True
    carries_attachments = True

    def __init__(self, database: Database, *, reports_after: timedelta = timedelta(seconds=1)) -> None:
        self._database = database
        self._reports_after = reports_after
        self._adding = Batcher(self._add)

    async def send(self, account: ProviderAccount, message: Outgoing) -> str | None:
        _refuse(message.recipient)
        return await self._adding.do((account.number, message))

    async def call(self, account: ProviderAccount, call: OutgoingCall) -> str | None:
        _refuse(call.contact_phone)
        self._database.notify(SANDBOX_REPORTS, at_most_every=NOTIFY_SECONDS)
        return f"SBC{call.id.hex}"

    async def _add(self, messages: Sequence[tuple[str, Outgoing]]) -> list[str]:
        async with self._database.connection() as conn:
            refs = await store.add_sandbox_messages(conn, messages, self._reports_after)
        self._database.notify(SANDBOX_REPORTS, at_most_every=NOTIFY_SECONDS)
        return refs

    def read_webhook(
        self, account: ProviderAccount, _target: str, headers: Mapping[str, str], body: bytes
    ) -> InboundMessage:
        """Verify and parse an inbound message. Raises as `Provider.read_webhook`."""
        secret = account.credentials.get("secret", "")
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get("X-Sandbox-Signature", "")
        if not secret or not hmac.compare_digest(expected.encode(), given.encode()):
            raise BadSignature
        fields = orjson.loads(body)
        return InboundMessage(
            ref=str(fields["id"]), sender=str(fields["from"]), body=str(fields["body"]), recipient=str(fields["to"])
        )


def _refuse(phone: str) -> None:
    if phone.endswith(ALWAYS_FAILS):
        raise NotSent("the sandbox never reaches phones that end in 0000", retryable=False)
