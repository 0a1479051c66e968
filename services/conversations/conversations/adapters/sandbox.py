"""The sandbox provider: stores messages instead of sending them, and reports them as `delivered` a second later.

Sending to a phone that ends in 0000 always fails. Inbound messages can be tried with webhooks: JSON
`{id, from, to, body}`, signed in `X-Sandbox-Signature` with the hex HMAC-SHA256 of the body under the channel's
`secret`.
"""

import hashlib
import hmac
from collections.abc import Mapping
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

ALWAYS_FAILS = "0000"


class Sandbox:
    """A provider that takes idempotency keys: the same id is stored once."""

    name = "sandbox"
    idempotent = True

    def __init__(self, database: Database, *, reports_after: timedelta = timedelta(seconds=1)) -> None:
        self._database = database
        self._reports_after = reports_after

    async def send(self, account: ProviderAccount, message: Outgoing) -> str | None:
        _refuse(message.recipient)
        async with self._database.connection() as conn:
            return await store.add_sandbox_message(conn, account.number, message, self._reports_after)

    async def call(self, account: ProviderAccount, call: OutgoingCall) -> str | None:
        _refuse(call.contact_phone)
        return f"SBC{call.id.hex}"

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
