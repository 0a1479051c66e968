"""The provider that sends nothing: it keeps what it was given, and reports `delivered` after a moment.

A phone that ends in 0000 always fails. Webhooks of it, to try inbound messages with: JSON `{id, from, to, body}`
signed in `X-Sandbox-Signature` with the hex HMAC-SHA256 of the body under the channel's `secret`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

import orjson

from conversations.domain.providers import Account, BadSignature, Inbound, NotSent, Outgoing, OutgoingCall
from conversations.store import sandbox as store
from switchboard.postgres.database import Database

ALWAYS_FAILS = "0000"


class Sandbox:
    """Honours idempotency keys: the same id is kept once."""

    name = "sandbox"
    takes_keys = True

    def __init__(self, database: Database, *, reports_after: timedelta = timedelta(seconds=1)) -> None:
        self._database = database
        self._reports_after = reports_after

    async def send(self, account: Account, message: Outgoing) -> str | None:
        _refuse(message.recipient)
        async with self._database.connection() as conn:
            return await store.add_sandbox_message(conn, account.number, message, self._reports_after)

    async def call(self, account: Account, call: OutgoingCall) -> str | None:
        _refuse(call.contact_phone)
        return f"SBC{call.id.hex}"

    def read_webhook(self, account: Account, headers: Mapping[str, str], body: bytes) -> Inbound:
        """Raises `BadSignature`, `ValueError`."""
        secret = account.credentials.get("secret", "")
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get("X-Sandbox-Signature", "")
        if not secret or not hmac.compare_digest(expected.encode(), given.encode()):
            raise BadSignature
        told = orjson.loads(body)
        return Inbound(ref=str(told["id"]), sender=str(told["from"]), body=str(told["body"]), recipient=str(told["to"]))


def _refuse(phone: str) -> None:
    if phone.endswith(ALWAYS_FAILS):
        raise NotSent("the sandbox never reaches phones that end in 0000", again=False)
