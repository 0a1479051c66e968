"""Twilio: messages and calls over its REST API (2010-04-01), receipts and inbound messages by webhook.

It takes no idempotency key. A webhook's signature is the base64 HMAC-SHA1, under the account's token, of the URL that
Twilio was given, followed by the form's names and values in the order of the names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID
from xml.sax.saxutils import escape

import aiohttp

from conversations.domain.providers import (
    Account,
    BadSignature,
    CallReceipt,
    Inbound,
    NotSent,
    OutcomeUnknown,
    Outgoing,
    OutgoingCall,
    Receipt,
    Throttled,
)
from switchboard.contracts.conversations import CallStatus

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0
DEFAULT_PAUSE = 1.0  # seconds, where a 429 names none
LONGEST_PAUSE = 300.0

MESSAGE_STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "failed",
    "failed": "failed",
}
CALL_STATUSES: dict[str, CallStatus] = {
    "ringing": "ringing",
    "in-progress": "ringing",
    "completed": "completed",
    "busy": "missed",
    "no-answer": "missed",
    "canceled": "missed",
    "failed": "failed",
}


class Twilio:
    """One kept HTTP client for all accounts. `webhooks`: the URL that Twilio reaches us at."""

    name = "twilio"
    takes_keys = False

    def __init__(self, client: aiohttp.ClientSession, base_url: str, webhooks: str) -> None:
        self._client = client
        self._base_url = base_url
        self._webhooks = webhooks

    async def send(self, account: Account, message: Outgoing) -> str | None:
        form = {
            "To": message.recipient,
            "From": account.number,
            "Body": message.body,
            "StatusCallback": self._callback(account, f"delivery={message.id}"),
        }
        return await self._post(account, "Messages.json", form)

    async def call(self, account: Account, call: OutgoingCall) -> str | None:
        form = {
            "To": call.user_phone,
            "From": account.number,
            "Twiml": f"<Response><Dial>{escape(call.contact_phone)}</Dial></Response>",
            "StatusCallback": self._callback(account, f"call={call.id}"),
        }
        return await self._post(account, "Calls.json", form)

    def read_webhook(
        self, account: Account, target: str, headers: Mapping[str, str], body: bytes
    ) -> Receipt | CallReceipt | Inbound | None:
        """`target`: path and query as they came. None: nothing of interest. Raises `BadSignature`, `ValueError`."""
        form = parse_qsl(body.decode(), keep_blank_values=True)
        expected = signature(account.credentials["auth_token"], self._origin() + target, form)
        if not hmac.compare_digest(expected, headers.get("X-Twilio-Signature", "").encode()):
            raise BadSignature
        return _meaning(dict(parse_qsl(urlsplit(target).query)), dict(form))

    def _origin(self) -> str:
        parts = urlsplit(self._webhooks)
        return f"{parts.scheme}://{parts.netloc}"

    def _callback(self, account: Account, query: str) -> str:
        return f"{self._webhooks}/{self.name}/{account.endpoint_key}?{query}"

    async def _post(self, account: Account, resource: str, form: dict[str, str]) -> str | None:
        sid = account.credentials["account_sid"]
        url = f"{self._base_url}/2010-04-01/Accounts/{sid}/{resource}"
        headers = {"Authorization": aiohttp.encode_basic_auth(sid, account.credentials["auth_token"])}
        try:
            async with self._client.post(url, data=form, headers=headers, allow_redirects=False) as answer:
                return await _ref_of(answer)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"twilio can't be reached: {error}", again=True) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise OutcomeUnknown(f"twilio broke off: {type(error).__name__}") from error


async def _ref_of(answer: aiohttp.ClientResponse) -> str | None:
    if answer.status >= 500 or answer.status < 200:
        raise OutcomeUnknown(f"twilio answered {answer.status}")
    if answer.status == 429:
        raise Throttled("twilio answered 429", after=_pause(answer.headers.get("Retry-After")))
    if answer.status >= 300:
        raise NotSent(await _complaint(answer), again=False)
    try:
        ref = (await answer.json(content_type=None)).get("sid")
    except (ValueError, AttributeError, aiohttp.ClientError, OSError, TimeoutError):
        return None  # it said yes; its receipt carries the delivery's id
    return str(ref) if ref else None


async def _complaint(answer: aiohttp.ClientResponse) -> str:
    try:
        told: dict[str, Any] = await answer.json(content_type=None)
        return f"twilio refused: {told.get('message')} ({told.get('code')})"[:300]
    except (ValueError, AttributeError):
        return f"twilio refused with {answer.status}"


def _pause(header: str | None) -> float:
    """Seconds, from either form of `Retry-After` (RFC 9110, 10.2.3)."""
    try:
        asked = float(header or DEFAULT_PAUSE)
    except ValueError:
        try:
            asked = (parsedate_to_datetime(header or "") - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            asked = DEFAULT_PAUSE
    return min(max(asked, 0.0), LONGEST_PAUSE) if asked == asked else DEFAULT_PAUSE


def signature(token: str, url: str, form: list[tuple[str, str]]) -> bytes:
    """The header `X-Twilio-Signature` (twilio.com/docs/usage/security)."""
    text = url + "".join(name + value for name, value in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest())


def _meaning(query: dict[str, str], form: dict[str, str]) -> Receipt | CallReceipt | Inbound | None:
    if "call" in query:
        word = CALL_STATUSES.get(form.get("CallStatus", ""))
        return word and CallReceipt(UUID(query["call"]), form.get("CallSid"), word, form.get("CallStatus"))
    if "MessageStatus" in form or "delivery" in query:
        status = MESSAGE_STATUSES.get(form.get("MessageStatus", ""))
        delivery_id = UUID(query["delivery"]) if "delivery" in query else None
        reason = f"twilio error {form['ErrorCode']}" if form.get("ErrorCode") else None
        return Receipt(delivery_id, form.get("MessageSid"), status, reason) if status else None
    if "From" in form and "MessageSid" in form:
        return Inbound(form["MessageSid"], form["From"], form.get("Body", ""), form.get("To", ""))
    return None


@asynccontextmanager
async def open_twilio(base_url: str, public_url: str, *, most: int = 128) -> AsyncIterator[Twilio]:
    """With its HTTP client, kept for the process's life."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(limit=most, keepalive_timeout=4)  # below what servers usually keep: no stale ones
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as client:
        yield Twilio(client, base_url, f"{public_url}/api/v1/webhooks")
